// What every operation of the library works with: the outside world as ports, and the few times it waits. The times
// are data, so that tests and slow links can change them; the defaults are for the internet.

import type { Sha256 } from '../base/hash.ts';
import type { NetworkId } from '../base/ids.ts';
import type { Clock, Coder, Network, Random, Verify } from '../base/ports.ts';
import type { GroupHasher } from '../replication/blake3.ts';
import type { OwnerKey } from './home.ts';
import type { MemoryGate } from './memory.ts';

export interface ClientPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly coder: Coder;
  readonly verify: Verify;
  readonly sha256: Sha256;
  /** Hashes the groups of verified ranges. */
  readonly hasher: GroupHasher;
  readonly owner: OwnerKey;
}

export interface Timing {
  /** A question that a node answers from memory or by one small read. */
  readonly askTimeoutMs: number;
  /** A whole piece, however slow the line; stalls are found long before. */
  readonly pieceTimeoutMs: number;
  /** A transfer without a byte for so long has stalled, before anything is known about the others. */
  readonly stallMs: number;
  /** Least patience with a holder while others are done; grows to twice the time of the quorum. */
  readonly stallFloorMs: number;
  /** Least time before a reader asks a spare, and the time while nothing is known about the line. */
  readonly hedgeFloorMs: number;
  readonly hedgeFirstMs: number;
  /** First wait after BUSY; doubles up to BUSY_TRIES times. */
  readonly busyMs: number;
  /** Wait before a request that failed in passing is made again; doubles with every further failure. */
  readonly retryMs: number;
  /** A holder that failed is not asked again for so long, while there are others. */
  readonly barMs: number;
  /** A failed put spends so long on taking back what it left. */
  readonly withdrawMs: number;
  /** A put without a name, and whoever goes on with one, waits so long for the chain. */
  readonly registerMs: number;
  /** What is known of the network is asked for again after this. */
  readonly refreshMs: number;
  /** After the first answer about the network, how long the other nodes asked are waited for. */
  readonly secondOpinionMs: number;
}

export const DEFAULT_TIMING: Timing = {
  askTimeoutMs: 10_000,
  pieceTimeoutMs: 10 * 60_000,
  stallMs: 20_000,
  stallFloorMs: 5_000,
  hedgeFloorMs: 200,
  hedgeFirstMs: 1_000,
  busyMs: 25,
  retryMs: 500,
  barMs: 10_000,
  withdrawMs: 1_000,
  registerMs: 30_000,
  refreshMs: 60_000,
  secondOpinionMs: 1_000,
};

/** Eight waits, the first of 25 ms: 6.4 s in all, so that a burst passes and an overloaded node is replaced. */
export const BUSY_TRIES = 9;

/** What one operation sees. */
export interface Context extends ClientPorts {
  readonly networkId: NetworkId;
  readonly timing: Timing;
  readonly memory: MemoryGate;
}
