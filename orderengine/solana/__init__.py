"""Speak Solana: accounts and addresses, and JSON-RPC. Needs the extra ``solana``."""
