// When a transaction is final, what it sends to a home in another shard is still on its way: a receipt waits on a lane, and a later block
// executes it. Here a client waits until it has, and looks at the state after that. Lanes are part of the proven state, so nobody
// can say that something has arrived which has not.

import type { Lane } from '../../shards/lane.ts';
import { laneIn, lanesIn } from '../../shards/outbox.ts';
import { type Home, shardOfHome } from '../../shards/state-key.ts';
import type { Overlay } from '../../shards/view.ts';
import type { Answer, ChainClient, Moment } from '../chain/types.ts';

/** Receipts of `lane` below `next` are waited for. */
interface Waiting {
  readonly lane: Lane;
  readonly next: number;
}

type Look<T> =
  | { readonly kind: 'waiting'; readonly lanes: readonly Waiting[] }
  | { readonly kind: 'settled'; readonly value: T };

export interface SettleOptions {
  /** Height at which what is waited for was sent. */
  readonly sentAt: number;
  readonly signal?: AbortSignal;
}

/**
 * What `decide` makes of the first state seen, after `sentAt`, in which everything that was on its way from one home to the other at
 * `sentAt` has been executed or taken back. Ends because receipts expire. Throws what `ChainClient.read` throws.
 */
export async function readSettled<T>(
  chain: ChainClient,
  [from, to]: readonly [from: Home, to: Home],
  decide: (state: Overlay, at: Moment) => T,
  { sentAt, signal }: SettleOptions,
): Promise<Answer<T>> {
  let waiting: readonly Waiting[] | undefined;
  let atLeast = sentAt;
  for (;;) {
    const before = waiting;
    const { value: look, ...moment } = await chain.read(
      (state, at): Look<T> => {
        const lanes = before === undefined ? waitingBetween(state, from, to) : stillWaiting(state, before);
        return lanes.length > 0 ? { kind: 'waiting', lanes } : { kind: 'settled', value: decide(state, at) };
      },
      { atLeast, ...(signal === undefined ? {} : { signal }) },
    );
    if (look.kind === 'settled') return { ...moment, value: look.value };
    waiting = look.lanes;
    atLeast = moment.height + 1;
  }
}

/** Lanes that messages between the two take, or took before the number of shards changed, as far as receipts wait there. */
function waitingBetween(state: Overlay, from: Home, to: Home): readonly Waiting[] {
  const { current, previous } = lanesIn(state);
  const generations = previous === null ? [current] : [previous, current];
  return generations
    .map(({ shardBits }): Lane => {
      const source = shardOfHome(from, shardBits);
      const destination = shardOfHome(to, shardBits);
      return { shardBits, source, destination };
    })
    .map((lane) => ({ lane, ...laneIn(state, lane) }))
    .filter(({ first, next }) => first < next);
}

function stillWaiting(state: Overlay, waiting: readonly Waiting[]): readonly Waiting[] {
  return waiting.filter(({ lane, next }) => laneIn(state, lane).first < next);
}

/** Nothing is on its way between any two homes. */
export function isQuiet(state: Overlay): boolean {
  const { current, previous } = lanesIn(state);
  return current.pending === 0 && (previous?.pending ?? 0) === 0;
}
