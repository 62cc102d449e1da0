"""Find and read the bin arrays of a Meteora DLMM pair.

Theory. Array i holds bins 70 i to 70 i + 69. A pair marks the arrays that hold liquidity or orders
in a bitmap of its own for indices from -512 to 511, and in an account beside it, the bitmap
extension, for those beyond: 12 * 512 bits upwards from 512, then as many downwards from -513. The
program walks by these marks, so an array without a mark is empty for a swap.

Source of the layouts: BinArray and BinArrayBitmapExtension in MeteoraAg/dlmm-sdk idls/dlmm.json
(0.12.0) and commons/src/extensions/bin_array_bitmap.rs at fb02e51, and the accounts of pair
5rCf1DM8LjKTw4YqhnoLcngyZYeNnQqztScTogYHAS6 on mainnet, 2026-07-06.
"""

from __future__ import annotations

from struct import Struct as Packed

from msgspec import Struct

from orderengine.pools import DlmmBinSpec
from orderengine.pools.meteora_dlmm_price import BIN_ID_MAX
from orderengine.solana.accounts import Account, key_bytes, program_address
from orderengine.venues.accounts.layout import Fields, Layout

__all__ = ["BINS_OF_ARRAY", "METEORA_DLMM_ID", "BinArray", "BinArrayMarks", "array_address"]

METEORA_DLMM_ID = "LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo"
BINS_OF_ARRAY = 70

_ARRAY = Layout(
    what="Meteora DLMM bin array",
    owner=METEORA_DLMM_ID,
    size=10_136,
    discriminator=bytes.fromhex("5c8e5cdc059446b5"),
)
_EXTENSION = Layout(
    what="Meteora DLMM bitmap extension",
    owner=METEORA_DLMM_ID,
    size=1_576,
    discriminator=bytes.fromhex("506f7c7137ed1205"),
)
_HALF_BITMAP = 512
_BINS_AT = 56
# Amounts, price, what a swap does not read, orders: open, processing, their rest; age, side.
_BIN = Packed("<QQ16s80sQQQIB3x")
_VERSION_WITH_ORDERS = 2
"""Arrays of earlier versions hold volumes of the past where orders are now."""


class BinArray(Struct, frozen=True):
    """Hold what a swap needs of one array; ``prices_x64`` are 0 where the program set none yet."""

    bins: tuple[DlmmBinSpec, ...]
    """Those that hold something."""
    prices_x64: tuple[int, ...]
    """In parallel."""

    @classmethod
    def read(cls, account: Account, pair: str, index: int) -> BinArray:
        """Read the array of a pair.

        Raises:
            InvalidData: it is no bin array, of another pair, at another place, or of a version
                after 2.
        """
        fields = _ARRAY.open(account)
        if fields.key(24) != pair:
            raise fields.refusal("lb_pair", fields.key(24), f"lb_pair {pair}")
        if fields.i64(8) != index:
            raise fields.refusal("index", fields.i64(8), f"index {index}")
        version = fields.u8(16)
        if version > _VERSION_WITH_ORDERS:
            raise fields.refusal("version", version, "0, 1 or 2")
        has_orders = version == _VERSION_WITH_ORDERS
        bins, prices_x64 = [], []
        bin_id = index * BINS_OF_ARRAY
        for amount_a, amount_b, price, _, open_amount, _, rest, _, side in _BIN.iter_unpack(
            account.data[_BINS_AT:]
        ):
            if amount_a or amount_b or (has_orders and (open_amount or rest)):
                bins.append(
                    DlmmBinSpec(
                        id=bin_id,
                        amount_a=amount_a,
                        amount_b=amount_b,
                        open_order_amount=open_amount if has_orders else 0,
                        processed_order_remaining=rest if has_orders else 0,
                        limit_order_ask_side=side if has_orders else 0,
                    )
                )
                prices_x64.append(int.from_bytes(price, "little"))
            bin_id += 1
        return cls(tuple(bins), tuple(prices_x64))


class BinArrayMarks:
    """Say which arrays of a pair hold something, by its bitmap and, once read, the extension.

    Args:
        pair: the fields of the pair's account.
    """

    def __init__(self, pair: Fields) -> None:
        self.pair = pair.address
        self.bitmap = int.from_bytes(pair.data[584:712], "little")
        self.lowest = max(pair.i32(24), -BIN_ID_MAX) // BINS_OF_ARRAY
        """Index of the pair's lowest array: bins below do not exist."""
        self.highest = min(pair.i32(28), BIN_ID_MAX) // BINS_OF_ARRAY
        self.upwards: int | None = None
        self.downwards: int | None = None

    @property
    def needs_extension(self) -> bool:
        """Whether the pair may have arrays that its own bitmap has no bits for."""
        return self.lowest < -_HALF_BITMAP or self.highest >= _HALF_BITMAP

    @property
    def extension_address(self) -> str:
        """Where the bitmap extension is, if there is one."""
        return program_address(METEORA_DLMM_ID, b"bitmap", key_bytes(self.pair))

    def read_extension(self, account: Account) -> None:
        """Take the marks of an extension.

        Raises:
            InvalidData: it is no bitmap extension, or of another pair.
        """
        fields = _EXTENSION.open(account)
        if fields.key(8) != self.pair:
            raise fields.refusal("lb_pair", fields.key(8), f"lb_pair {self.pair}")
        self.upwards = int.from_bytes(account.data[40:808], "little")
        self.downwards = int.from_bytes(account.data[808:1_576], "little")

    def set_no_extension(self) -> None:
        """Take it that the extension does not exist: no array is beyond the pair's bitmap."""
        self.upwards = self.downwards = 0

    def is_in_bitmap(self, index: int) -> bool:
        """Return whether the pair's own bitmap has a bit for an array."""
        return -_HALF_BITMAP <= index < _HALF_BITMAP

    def is_marked(self, index: int) -> bool | None:
        """Return whether an array holds something; None if that takes the extension."""
        if not self.lowest <= index <= self.highest:
            return False
        if self.is_in_bitmap(index):
            return bool(self.bitmap >> (index + _HALF_BITMAP) & 1)
        bits, place = self.upwards, index - _HALF_BITMAP
        if index < 0:
            bits, place = self.downwards, -index - 1 - _HALF_BITMAP
        return None if bits is None else bool(bits >> place & 1)


def array_address(pair: str, index: int) -> str:
    """Return the address of an array."""
    seed = index.to_bytes(8, "little", signed=True)
    return program_address(METEORA_DLMM_ID, b"bin_array", key_bytes(pair), seed)
