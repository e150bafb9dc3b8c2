// What a storage node's services need of their surroundings, and what they are told.

import { encode } from '../base/codec.ts';
import type { EpochRecord } from '../base/epoch.ts';
import type { Sha256 } from '../base/hash.ts';
import type { NetworkId, NodeId } from '../base/ids.ts';
import type { Clock, Coder, PieceLog, Signer, Verify } from '../base/ports.ts';
import type { PublicObjects } from './public-objects.ts';

export interface KeeperPorts {
  readonly clock: Clock;
  readonly log: PieceLog;
  readonly coder: Pick<Coder, 'hashPiece'>;
  /** The node's own key: its public key is the node id that tickets must name. */
  readonly signer: Signer;
  readonly verify: Verify;
  readonly sha256: Sha256;
}

export interface KeeperOptions {
  readonly network: NetworkId;
  /** Epoch record in force. */
  readonly epoch: () => EpochRecord;
  /** Signed node records of members this node can reach; empty when absent. */
  readonly nodeRecords?: () => readonly Uint8Array[];
  /** Connected peers; none when absent. */
  readonly peers?: () => readonly NodeId[];
  /** Entries found damaged so far; 0 when absent. */
  readonly damagedEntries?: () => number;
  /** Name and version of the program, at most 64 bytes. */
  readonly agent?: string;
  /** Told of manifests of public objects, asked who has one; nothing is announced when absent. */
  readonly publicObjects?: Pick<PublicObjects, 'stored' | 'removed' | 'locate'>;
  /** Owners (64 hex digits) who may store here; everybody when absent. */
  readonly allowedOwners?: ReadonlySet<string>;
}

/** Header of a reply that is all body. */
export const EMPTY_HEADER: Uint8Array = encode([]);
