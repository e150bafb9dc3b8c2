// What restoring needs of its surroundings.

import type { EpochRecord } from '../../base/epoch.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { NetworkId } from '../../base/ids.ts';
import { RESTORE_FETCH_TIMEOUT_MS } from '../../base/limits.ts';
import type { Clock, Coder, Network, PieceLog, Signer } from '../../base/ports.ts';
import { DEFAULT_TIMING, type Timing } from '../../client/context.ts';
import type { NodeLogger } from '../storage-node.ts';

export interface RestorePorts {
  readonly networkId: NetworkId;
  readonly clock: Clock;
  readonly network: Network;
  readonly coder: Pick<Coder, 'acquire' | 'hashPiece'>;
  readonly log: PieceLog;
  /** The node's own key. */
  readonly signer: Signer;
  readonly sha256: Sha256;
  /** Epoch record in force. */
  readonly epoch: () => EpochRecord;
  readonly logger: NodeLogger;
}

/** Nobody waits for a repair as a reader does: what a node is slow with is fetched from another. */
export const RESTORE_TIMING: Timing = { ...DEFAULT_TIMING, pieceTimeoutMs: RESTORE_FETCH_TIMEOUT_MS };
