// The network as its chain describes it, for `store network` and `store status`: who decides with what stake, how many of them may fail
// (Prop 1.2 of docs/theory.md), and whether the chain goes on. Proven by a header; a network whose chain does not answer is shown without.

import { StoreError } from '../src/base/errors.ts';
import type { Epoch } from '../src/base/ids.ts';
import { HEARTBEAT_MS } from '../src/base/limits.ts';
import type { Store } from '../src/client/types.ts';
import type { Moment } from '../src/client/chain/types.ts';
import { epochStateOf } from '../src/shards/epoch-state.ts';
import { type Coalition, type FaultTolerance, faultTolerance } from '../src/shards/fault-tolerance.ts';
import { amountIn, NATIVE } from '../src/shards/amounts.ts';
import { supplyOf } from '../src/shards/supply.ts';
import { settledEntries } from '../src/shards/validator-sets.ts';
import type { Overlay } from '../src/shards/view.ts';
import { describe } from './errors.ts';

/** A chain that does not answer within this is shown as one that does not. */
const CHAIN_TIMEOUT_MS = 15_000;
/** Heartbeats without a block after which a chain is said to stand. */
const MISSED_HEARTBEATS = 3;

interface ChainFacts {
  readonly epoch: Epoch;
  readonly mode: string;
  readonly members: number;
  readonly shards: number;
  /** Native tokens there are. */
  readonly supply: bigint;
  readonly totalPower: bigint;
  readonly largestPower: bigint;
  readonly smallestPower: bigint;
  readonly byNode: FaultTolerance;
  readonly byOperator: FaultTolerance;
}

export interface ChainView extends Moment, ChainFacts {
  readonly ageMs: number;
  /** The newest header is no older than heartbeats explain. */
  readonly isAdvancing: boolean;
}

export type ChainOutcome =
  | { readonly kind: 'answers'; readonly view: ChainView }
  | { readonly kind: 'silent'; readonly error: StoreError };

/** Throws ABORTED when `signal` fires; everything else that goes wrong is the outcome. */
export async function lookAtChain(store: Store, signal: AbortSignal): Promise<ChainOutcome> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(CHAIN_TIMEOUT_MS)]);
  try {
    const chain = await store.chain({ signal: limit });
    const { value, ...moment } = await chain.read(factsOf, { signal: limit, patienceMs: 0 });
    const ageMs = Math.max(0, Date.now() - moment.timeMs);
    const isAdvancing = ageMs <= MISSED_HEARTBEATS * HEARTBEAT_MS;
    return { kind: 'answers', view: { ...value, ...moment, ageMs, isAdvancing } };
  } catch (error) {
    if (signal.aborted || !(error instanceof StoreError)) throw error;
    if (error.code !== 'ABORTED') return { kind: 'silent', error };
    const late = new StoreError('TIMEOUT', `the chain did not answer within ${CHAIN_TIMEOUT_MS / 1000} s`);
    return { kind: 'silent', error: late };
  }
}

/** Throws MissingRecords. */
function factsOf(state: Overlay): ChainFacts {
  const { epoch, mode, memberCount, shardBits } = epochStateOf(state);
  const entries = settledEntries(state, epoch);
  const powers = entries.map(({ power }) => power).sort((a, b) => (a < b ? 1 : a > b ? -1 : 0));
  const byNode = faultTolerance(entries, 'node');
  return {
    epoch,
    mode,
    members: memberCount,
    shards: 2 ** shardBits,
    supply: amountIn(supplyOf(state).total, NATIVE),
    totalPower: byNode.totalPower,
    largestPower: powers[0]!,
    smallestPower: powers.at(-1)!,
    byNode,
    byOperator: faultTolerance(entries, 'operator'),
  };
}

// ---- As JSON -----------------------------------------------------------------------------------------------------

export function chainJson(outcome: ChainOutcome): Readonly<Record<string, unknown>> {
  if (outcome.kind === 'silent') {
    const { code, message } = describe(outcome.error);
    return { isAnswering: false, isAdvancing: false, error: { code, message } };
  }
  const { byNode, byOperator, timeMs, height, ...facts } = outcome.view;
  return {
    isAnswering: true,
    height,
    provenBy: { height: height + 1, time: new Date(timeMs).toISOString() },
    ...facts,
    tolerance: { nodes: toleranceJson(byNode), operators: toleranceJson(byOperator) },
  };
}

/** Prop 1.2: f may fail, and the fewest who stop or split the chain, also as shares of all. */
function toleranceJson({ voters, toHalt, toSplit }: FaultTolerance): Readonly<Record<string, unknown>> {
  const share = ({ count, power }: Coalition): Readonly<Record<string, unknown>> => ({
    count,
    power,
    fraction: count / voters,
  });
  return { voters, f: toHalt.count - 1, toHalt: share(toHalt), toSplit: share(toSplit) };
}
