// Membership follows the chain: when this node's chain has begun an epoch, the record of its members is made from the state and put in force.
//
// Invariants: only a record whose digest the state names is put in force; while one is made, blocks go on, and what was read across an
// epoch's border is read again; epochs that pass meanwhile are skipped.

import { equal } from '../base/bytes.ts';
import { epochDigest, type EpochRecord } from '../base/epoch.ts';
import { toStoreError } from '../base/errors.ts';
import type { Sha256 } from '../base/hash.ts';
import type { NetworkId } from '../base/ids.ts';
import { epochStateOf } from '../shards/epoch-state.ts';
import { currentEpochRecord } from '../shards/storage-members.ts';
import { LoadedState, Overlay } from '../shards/view.ts';
import type { Chain } from './chain/chain.ts';
import { settle } from './chain/settle.ts';
import type { Membership } from './membership.ts';
import type { NodeLogger } from './storage-node.ts';

type EpochSource = Pick<Chain, 'load' | 'onCommit' | 'next'>;

export interface ChainMembersPorts {
  readonly chain: EpochSource;
  readonly membership: Membership;
  readonly sha256: Sha256;
  readonly logger: NodeLogger;
}

export interface ChainMembers {
  /** Resolves when nothing is under way; nothing is put in force after it. */
  stop(): Promise<void>;
}

/** Puts the record of the chain's epoch in force, now and whenever it is another. */
export function followChain(ports: ChainMembersPorts): ChainMembers {
  const { chain, membership, logger } = ports;
  let isStopped = false;
  let running: Promise<void> | undefined;

  async function catchUp(): Promise<void> {
    try {
      while (!isStopped && chain.next.context.epoch > membership.current().epoch) {
        const record = await recordOf(chain, membership.network, ports.sha256);
        if (record !== undefined && !isStopped) await membership.adopt(record);
      }
    } finally {
      running = undefined;
    }
  }

  function look(): void {
    if (isStopped || running !== undefined) return;
    if (chain.next.context.epoch <= membership.current().epoch) return;
    running = catchUp().catch((error: unknown) => {
      const reason = toStoreError(error, 'INTERNAL', 'members of the epoch').message;
      logger.error({ reason }, 'the members of the epoch could not be read: the last ones stay');
    });
  }

  const end = chain.onCommit(look);
  look();
  return {
    stop: async () => {
      isStopped = true;
      end();
      await running;
    },
  };
}

/** Undefined when an epoch ended while its record was read. */
async function recordOf(
  chain: EpochSource,
  network: NetworkId,
  sha256: Sha256,
): Promise<EpochRecord | undefined> {
  const { record, digest } = await settle(chain, new LoadedState(), (loaded) => {
    const state = new Overlay(loaded);
    return { record: currentEpochRecord(state, network), digest: epochStateOf(state).membersDigest };
  });
  return equal(epochDigest(record, sha256), digest) ? record : undefined;
}
