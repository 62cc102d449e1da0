// Quote with the venues' own SDKs and say how many quotes a second of CPU time they make.
//
//   node quotes.mjs FOLDER        FOLDER holds the installed packages (node_modules)
//
// Reads requests, one JSON object a line, and answers each with one line:
//
//   {"venue": "raydium_cpmm", "cases": [...], "passes": 0, "cpu_s": 0.3}
//   {"answers": [{"amount_in": "1", "amount_out": "1", "fee": "1"}, ...],
//    "passes": 512, "quotes": 32768, "cpu_s": 0.31, "quotes_per_s": 105703.2}
//
// A case has `pool` and `swap` as oracle cases have them; only exact_in, and only what the venue's
// function below says. All pools and amounts are built before any is timed. The answers are of one
// pass that is not timed. `passes` is how often the cases are quoted while the clock runs; 0 looks
// for a number that takes about `cpu_s` seconds of this process's CPU time. Nothing is fetched.
import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";
import readline from "node:readline";

const load = createRequire(path.join(path.resolve(process.argv[2]), "package.json"));
console.debug = console.info = console.log = () => {}; // stdout is for answers
const BN = load("bn.js");

const ZERO = new BN(0);
const isAToB = (swap) => swap.direction === "a_to_b";

/**
 * Each venue: load its SDK once, then (pool) => (swap) => [quote, read].
 *
 * `quote` is what is timed: the SDK's function alone, its arguments built before. `read` turns what
 * it returned into [amount in, amount out, fee], or throws.
 */
const VENUES = {
  raydium_cpmm: () => {
    const { CurveCalculator } = load("@raydium-io/raydium-sdk-v2");
    return (pool) => {
      const [a, b] = [new BN(pool.reserve_a), new BN(pool.reserve_b)];
      const names = ["trade", "creator", "protocol", "fund"];
      const rates = names.map((name) => new BN(pool[`${name}_fee_rate`]));
      return (swap) => {
        const [reserveIn, reserveOut] = isAToB(swap) ? [a, b] : [b, a];
        const amount = new BN(swap.amount);
        const onInput = swap.creator_fee_on_input;
        const [trade, creator, protocol, fund] = rates;
        const quote = () => {
          return CurveCalculator.swapBaseInput(
            amount, reserveIn, reserveOut, trade, creator, protocol, fund, onInput,
          );
        };
        return [quote, (got) => [got.inputAmount, got.outputAmount, got.tradeFee]];
      };
    };
  },

  raydium_amm_v4: async () => {
    const { Raydium } = load("@raydium-io/raydium-sdk-v2");
    const { Connection, Keypair } = load("@solana/web3.js");
    const connection = new Connection("http://127.0.0.1:9"); // asked for, never used
    const options = { disableLoadToken: true, disableFeatureCheck: true };
    const { liquidity } = await Raydium.load({ connection, ...options });
    return (pool) => {
      const mint = (decimals) => ({ address: Keypair.generate().publicKey.toBase58(), decimals });
      const poolInfo = {
        version: 4,
        mintA: mint(pool.decimals_a),
        mintB: mint(pool.decimals_b),
        baseReserve: new BN(pool.reserve_a),
        quoteReserve: new BN(pool.reserve_b),
      };
      const [a, b] = [poolInfo.mintA.address, poolInfo.mintB.address];
      return (swap) => {
        const [mintIn, mintOut] = isAToB(swap) ? [a, b] : [b, a];
        const request = { poolInfo, amountIn: new BN(swap.amount), mintIn, mintOut, slippage: 0 };
        const quote = () => liquidity.computeAmountOut(request);
        return [quote, (got) => [request.amountIn, got.amountOut, got.fee]];
      };
    };
  },

  // Without dynamic fee: the SDK's quote writes the pool's volatility back into its argument.
  raydium_clmm: () => {
    const { swapInternal } = load("@raydium-io/raydium-sdk-v2");
    const { PublicKey } = load("@solana/web3.js");
    const key = PublicKey.default;
    const TICKS = 60; // in an array
    const emptyTick = {
      tick: 0,
      liquidityNet: ZERO,
      liquidityGross: ZERO,
      feeGrowthOutsideX64A: ZERO,
      feeGrowthOutsideX64B: ZERO,
      rewardGrowthsOutsideX64: [ZERO, ZERO, ZERO],
      orderPhase: ZERO,
      ordersAmount: ZERO,
      partFilledOrdersRemaining: ZERO,
      unfilledRatioX64: ZERO,
    };
    return (pool) => {
      if (pool.dynamic_fee) throw new Error("a dynamic fee is not supported");
      const spacing = pool.tick_spacing;
      const length = TICKS * spacing;
      const startOf = (tick) => Math.floor(tick / length) * length;
      const arrays = new Map();
      for (const { tick, liquidity_net, liquidity_gross } of pool.ticks) {
        const start = startOf(tick);
        if (!arrays.has(start)) {
          const ticks = Array.from({ length: TICKS }, (_, i) => {
            return { ...emptyTick, tick: start + i * spacing };
          });
          arrays.set(start, { address: key, value: { poolId: key, startTickIndex: start, ticks } });
        }
        const held = arrays.get(start).value.ticks[(tick - start) / spacing];
        held.liquidityNet = new BN(liquidity_net);
        held.liquidityGross = new BN(liquidity_gross);
      }
      const current = startOf(pool.tick_current);
      const starts = [...arrays.keys()].sort((left, right) => left - right);
      const down = starts.filter((start) => start <= current).reverse();
      const up = starts.filter((start) => start >= current);
      const inOrder = (list) => list.map((start) => arrays.get(start));
      const poolInfo = {
        tickSpacing: spacing,
        liquidity: new BN(pool.liquidity),
        sqrtPriceX64: new BN(pool.sqrt_price_x64),
        tickCurrent: pool.tick_current,
        feeOn: pool.fee_on,
        feeGrowthGlobalX64A: ZERO,
        feeGrowthGlobalX64B: ZERO,
        tickArrayBitmap: Buffer.alloc(128),
        dynamicFeeInfo: {
          filterPeriod: 0,
          decayPeriod: 0,
          reductionFactor: 0,
          dynamicFeeControl: 0,
          maxVolatilityAccumulator: 0,
          tickSpacingIndexReference: 0,
          volatilityReference: 0,
          volatilityAccumulator: 0,
          lastUpdateTimestamp: ZERO,
        },
      };
      const configInfo = {
        tradeFeeRate: pool.trade_fee_rate,
        protocolFeeRate: pool.protocol_fee_rate,
        fundFeeRate: pool.fund_fee_rate,
        tickSpacing: spacing,
      };
      const common = {
        programId: key,
        poolId: key,
        poolInfo,
        configInfo,
        tickarrayBitmapExtension: null,
        isBaseInput: true,
        includeExtraTickArrays: false,
      };
      const [arraysDown, arraysUp] = [inOrder(down), inOrder(up)];
      return (swap) => {
        const request = {
          ...common,
          tickArrays: isAToB(swap) ? arraysDown : arraysUp,
          amountSpecified: new BN(swap.amount),
          sqrtPriceLimitX64: ZERO,
          zeroForOne: isAToB(swap),
          blockTimestamp: swap.timestamp,
        };
        if (swap.sqrt_price_limit_x64) throw new Error("a price limit is not supported");
        const read = (got) => {
          if (!got.allTrade) throw new Error("insufficient liquidity");
          return [request.amountSpecified, got.amountCalculated, got.feeAmount];
        };
        return [() => swapInternal(request), read];
      };
    };
  },

  meteora_dlmm: () => {
    const DLMM = load("@meteora-ag/dlmm");
    const { PublicKey } = load("@solana/web3.js");
    const BINS = 70; // in an array
    const ARRAYS_EACH_SIDE = 512; // in the pool's own bitmap
    return (pool) => {
      const { parameters, v_parameters: volatility } = pool;
      const arrays = new Map();
      const bitmap = Array.from({ length: 16 }, () => new BN(0));
      for (const described of pool.bins) {
        const index = Math.floor(described.id / BINS);
        const bit = index + ARRAYS_EACH_SIDE;
        if (bit < 0 || bit >= 2 * ARRAYS_EACH_SIDE) throw new Error("bin off the bitmap");
        if (!arrays.has(index)) {
          const bins = Array.from({ length: BINS }, (_, i) => ({
            amountX: ZERO,
            amountY: ZERO,
            price: DLMM.getQPriceFromId(new BN(index * BINS + i), new BN(pool.bin_step)),
            openOrderAmount: ZERO,
            processedOrderRemainingAmount: ZERO,
            limitOrderAskSide: 0,
          }));
          const publicKey = new PublicKey(index + ARRAYS_EACH_SIDE + 1);
          arrays.set(index, { publicKey, account: { index: new BN(index), bins } });
        }
        bitmap[bit >> 6] = bitmap[bit >> 6].or(new BN(1).shln(bit & 63));
        const held = arrays.get(index).account.bins[described.id - index * BINS];
        held.amountX = new BN(described.amount_x);
        held.amountY = new BN(described.amount_y);
        held.openOrderAmount = new BN(described.open_order_amount ?? 0);
        held.processedOrderRemainingAmount = new BN(described.processed_order_remaining ?? 0);
        held.limitOrderAskSide = described.limit_order_ask_side ?? 0;
      }
      const held = Object.create(DLMM.prototype); // its constructor asks for a connection
      const mint = { tlvData: Buffer.alloc(0) };
      Object.assign(held, {
        tokenX: { mint },
        tokenY: { mint },
        clock: { epoch: ZERO },
        binArrayBitmapExtension: null,
        lbPair: {
          activeId: pool.active_id,
          binStep: pool.bin_step,
          binArrayBitmap: bitmap,
          rewardInfos: [],
          parameters: {
            baseFactor: parameters.base_factor,
            baseFeePowerFactor: parameters.base_fee_power_factor,
            variableFeeControl: parameters.variable_fee_control,
            maxVolatilityAccumulator: parameters.max_volatility_accumulator,
            filterPeriod: parameters.filter_period,
            decayPeriod: parameters.decay_period,
            reductionFactor: parameters.reduction_factor,
            protocolShare: parameters.protocol_share,
            collectFeeMode: pool.collect_fee_mode,
            functionType: pool.supports_limit_order ? 2 : 1,
          },
          vParameters: {
            volatilityAccumulator: volatility.volatility_accumulator,
            volatilityReference: volatility.volatility_reference,
            indexReference: volatility.index_reference,
            lastUpdateTimestamp: new BN(volatility.last_update_timestamp),
          },
        },
      });
      const all = [...arrays.values()];
      return (swap) => {
        const amount = new BN(swap.amount);
        const aToB = isAToB(swap);
        const nowMs = swap.timestamp * 1000;
        const partialFill = swap.partial_fill ?? false;
        const now = () => nowMs;
        const quote = () => {
          Date.now = now; // the SDK asks the wall clock for its fee
          return held.swapQuote(amount, aToB, ZERO, all, partialFill);
        };
        const read = (got) => [got.consumedInAmount, got.outAmount, got.fee.add(got.protocolFee)];
        return [quote, read];
      };
    };
  },

  meteora_damm_v2: () => {
    const sdk = load("@meteora-ag/cp-amm-sdk");
    return (pool) => {
      const base = pool.base_fee;
      const baseFee = sdk.cpAmmCoder.types.encode("PodAlignedFeeTimeScheduler", {
        cliff_fee_numerator: new BN(base.cliff_fee_numerator),
        base_fee_mode: base.mode,
        padding: [0, 0, 0, 0, 0],
        number_of_period: base.number_of_period,
        period_frequency: new BN(base.period_frequency),
        reduction_factor: new BN(base.reduction_factor),
      });
      const dynamic = pool.dynamic_fee;
      const state = {
        collectFeeMode: pool.collect_fee_mode,
        feeVersion: pool.fee_version,
        activationPoint: new BN(pool.activation_point),
        sqrtPrice: new BN(pool.sqrt_price_x64),
        sqrtMinPrice: new BN(pool.sqrt_min_price_x64),
        sqrtMaxPrice: new BN(pool.sqrt_max_price_x64),
        liquidity: new BN(pool.liquidity),
        tokenAAmount: new BN(pool.token_a_amount ?? 0),
        tokenBAmount: new BN(pool.token_b_amount ?? 0),
        poolFees: {
          baseFee: { baseFeeInfo: { data: [...baseFee] } },
          protocolFeePercent: pool.protocol_fee_percent,
          referralFeePercent: pool.referral_fee_percent,
          compoundingFeeBps: pool.compounding_fee_bps,
          initSqrtPrice: new BN(pool.sqrt_price_x64),
          dynamicFee: {
            initialized: dynamic ? 1 : 0,
            volatilityAccumulator: new BN(dynamic?.volatility_accumulator ?? 0),
            binStep: dynamic?.bin_step ?? 0,
            variableFeeControl: dynamic?.variable_fee_control ?? 0,
          },
        },
      };
      return (swap) => {
        const amount = new BN(swap.amount);
        const point = new BN(swap.current_point);
        const direction = isAToB(swap) ? sdk.TradeDirection.AtoB : sdk.TradeDirection.BtoA;
        const mode = sdk.getFeeMode(state.collectFeeMode, direction, swap.has_referral);
        const ask = swap.partial_fill
          ? sdk.getSwapResultFromPartialInput
          : sdk.getSwapResultFromExactInput;
        const read = (got) => {
          const providers = got.claimingFee.add(got.compoundingFee);
          const fee = providers.add(got.protocolFee).add(got.referralFee);
          return [got.includedFeeInputAmount, got.outputAmount, fee];
        };
        return [() => ask(state, amount, mode, direction, point), read];
      };
    };
  },

  orca_whirlpool: () => {
    const { swapQuoteByInputToken } = load("@orca-so/whirlpools-core");
    const TICKS = 88; // in an array
    return (pool) => {
      if (pool.adaptive_fee) throw new Error("an adaptive fee is not supported");
      const arrays = pool.tick_array_starts.map((start) => {
        const ticks = Array.from({ length: TICKS }, () => ({
          initialized: false,
          liquidityNet: 0n,
          liquidityGross: 0n,
          feeGrowthOutsideA: 0n,
          feeGrowthOutsideB: 0n,
          rewardGrowthsOutside: [0n, 0n, 0n],
        }));
        return { startTickIndex: start, ticks };
      });
      for (const { tick, liquidity_net, liquidity_gross } of pool.ticks) {
        const held = arrays.find(({ startTickIndex: start }) => {
          return start <= tick && tick < start + TICKS * pool.tick_spacing;
        });
        Object.assign(held.ticks[(tick - held.startTickIndex) / pool.tick_spacing], {
          initialized: true,
          liquidityNet: BigInt(liquidity_net),
          liquidityGross: BigInt(liquidity_gross),
        });
      }
      const tier = pool.fee_tier_index;
      const state = {
        feeTierIndexSeed: new Uint8Array([tier & 255, tier >> 8]),
        tickSpacing: pool.tick_spacing,
        feeRate: pool.fee_rate,
        protocolFeeRate: pool.protocol_fee_rate,
        liquidity: BigInt(pool.liquidity),
        sqrtPrice: BigInt(pool.sqrt_price_x64),
        tickCurrentIndex: pool.tick_current,
        feeGrowthGlobalA: 0n,
        feeGrowthGlobalB: 0n,
        rewardLastUpdatedTimestamp: 0n,
        rewardInfos: [0, 1, 2].map(() => ({ emissionsPerSecondX64: 0n, growthGlobalX64: 0n })),
      };
      return (swap) => {
        const [amount, now] = [BigInt(swap.amount), BigInt(swap.timestamp)];
        const aToB = isAToB(swap);
        const quote = () => swapQuoteByInputToken(amount, aToB, 0, state, null, arrays, now);
        return [quote, (got) => [got.tokenIn, got.tokenEstOut, got.tradeFee]];
      };
    };
  },
};

const loaded = new Map();

/** Return [quote, read] for each case; equal pools are built once. */
async function prepared(venue, cases) {
  if (!loaded.has(venue)) loaded.set(venue, await VENUES[venue]());
  const pools = new Map();
  return cases.map(({ pool, swap }) => {
    if (swap.mode !== "exact_in") throw new Error("only exact_in is supported");
    const text = JSON.stringify(pool);
    if (!pools.has(text)) pools.set(text, loaded.get(venue)(pool));
    return pools.get(text)(swap);
  });
}

function answered([quote, read]) {
  try {
    const [amount_in, amount_out, fee] = read(quote()).map(String);
    return { amount_in, amount_out, fee };
  } catch (error) {
    return { error: error?.message ?? String(error) };
  }
}

/** Return the CPU seconds of this process, all of its threads, that the passes take. */
function timed(quotes, passes) {
  const began = process.cpuUsage();
  for (let pass = 0; pass < passes; pass += 1) {
    for (const quote of quotes) quote();
  }
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1e6;
}

async function answer({ venue, cases, passes = 0, cpu_s: wanted = 0 }) {
  if (!(venue in VENUES)) return { error: `no SDK for ${venue}` };
  const pairs = await prepared(venue, cases);
  const answers = pairs.map(answered);
  const quotes = pairs.map(([quote]) => quote);
  if (!passes && !wanted) return { answers };
  let used = 0;
  if (passes) {
    used = timed(quotes, passes);
  } else {
    // Doubling also warms the compiler up; only the last and longest run counts.
    for (passes = 1; (used = timed(quotes, passes)) < wanted; ) passes *= 2;
  }
  const count = passes * quotes.length;
  return { answers, passes, quotes: count, cpu_s: used, quotes_per_s: count / used };
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  let said;
  try {
    said = await answer(JSON.parse(line));
  } catch (error) {
    said = { error: error?.stack ?? String(error) };
  }
  process.stdout.write(`${JSON.stringify(said)}\n`);
}
