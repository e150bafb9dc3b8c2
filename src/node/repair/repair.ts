// Repair at a node: it keeps what it holds, and takes over what others have lost.

import { equal } from '../../base/bytes.ts';
import { toStoreError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import { OWN_GRACE_MS } from '../../base/limits.ts';
import type { Place } from '../../proofs/place.ts';
import { DEFAULT_AUDIT } from '../../shards/audit-rules.ts';
import type { HoldingsStore } from '../audit/holdings-store.ts';
import type { RoundWatcher } from '../audit/round-watcher.ts';
import { damagedPlace } from './damage.ts';
import { OwnPlaces, type OwnPlacesPorts } from './own-places.ts';

export interface RepairPorts extends OwnPlacesPorts {
  readonly holdings: Pick<HoldingsStore, 'isWhole' | 'piecesOf' | 'onMoved'>;
  readonly watcher: Pick<RoundWatcher, 'onRound'>;
}

export interface Repair {
  /** This node was asked for what it should have and has not got. */
  lacking(place: Place): void;
  /** An entry of the log is damaged and no longer served. */
  damaged(key: Uint8Array): void;
  /** Resolves when nothing is under way. */
  stop(): Promise<void>;
}

export function startRepair(ports: RepairPorts): Repair {
  const self = ports.signer.publicKey as NodeId;
  const own = new OwnPlaces(ports);
  let graceMs = Math.min(OWN_GRACE_MS, DEFAULT_AUDIT.roundMs);
  const endRounds = ports.watcher.onRound(({ rules }) => {
    graceMs = Math.min(OWN_GRACE_MS, rules.roundMs);
  });
  const endMoves = ports.holdings.onMoved(({ lost, gained }) => {
    for (const { node, place } of lost) if (equal(node, self)) own.lost(place);
    for (const { node, place } of gained) if (equal(node, self)) own.gained(place, graceMs);
  });
  return {
    lacking: (place) => own.lacking(place),
    damaged: (key) => {
      void damagedPlace(ports.log, ports.chain, self, key)
        .then((place) => (place === undefined ? undefined : own.lacking(place)))
        .catch((error: unknown) => {
          const { code, message } = toStoreError(error, 'INTERNAL', 'damaged entry');
          ports.logger.debug(
            { code, reason: message },
            'a damaged entry is left to the walk over all places',
          );
        });
    },
    stop: async () => {
      endRounds();
      endMoves();
      await own.stop();
    },
  };
}
