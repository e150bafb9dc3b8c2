// Which of the waiting transactions a block is offered: the best price first; at equal prices senders take turns, so that nobody
// who has much waiting keeps the others out; of each sender in the order of nonces, from its next one without a gap.

import type { SignedTransaction } from '../../shards/transaction.ts';
import { comparePrices, type PoolAccount, type Waiting } from './pool-account.ts';
import { RankedHeap } from './ranked-heap.ts';

/** Order of accounts by what a block would take of them first; those that a block can take nothing of come last. */
export function byFirst(a: PoolAccount, b: PoolAccount): number {
  return Number(b.first.isReady) - Number(a.first.isReady) || byOffer(a.first, b.first);
}

function byOffer(a: Waiting, b: Waiting): number {
  return comparePrices(b.price, a.price) || a.turn - b.turn || a.arrival - b.arrival;
}

interface Reached {
  readonly waiting: Waiting;
  /** Its account's, when it is the account's first. */
  readonly place: number | undefined;
}

/**
 * Walks the heap of accounts from its top, and each account from its first: what comes next is always among what was reached, so the costs go
 * with what is chosen and not with what waits. One that is too long for what is left holds back those behind it.
 */
export function chooseCandidates(
  accounts: RankedHeap<PoolAccount>,
  limitBytes: number,
  limitCount: number,
): readonly SignedTransaction[] {
  const chosen: SignedTransaction[] = [];
  const reached = new RankedHeap<Reached>((a, b) => byOffer(a.waiting, b.waiting));
  const reach = (place: number): void => {
    const waiting = accounts.at(place)?.first;
    if (waiting?.isReady === true) reached.put({ waiting, place });
  };
  let bytesLeft = limitBytes;
  reach(0);
  while (chosen.length < limitCount) {
    const best = reached.takeFirst();
    if (best === undefined) break;
    const { waiting, place } = best;
    if (place !== undefined) for (const child of [2 * place + 1, 2 * place + 2]) reach(child);
    if (waiting.signed.lengthBytes > bytesLeft) continue;
    chosen.push(waiting.signed);
    bytesLeft -= waiting.signed.lengthBytes;
    const following = waiting.account.readyAfter(waiting);
    if (following !== undefined) reached.put({ waiting: following, place: undefined });
  }
  return chosen;
}
