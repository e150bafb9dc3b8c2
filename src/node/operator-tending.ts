// What a running node does for its operator by itself: it commits to a new chain of reveals before the one in force ends, for a validator
// without reveals misses its turns. And what it only says: that it is jailed or out for good, which is for the operator to judge.
//
// It works on the node's own state and hands in through the node's own pool. A transaction that does not come through is signed anew with
// the account's next nonce after a while, so the operator may use the account at the same time.

import { equal, short, toHex } from '../base/bytes.ts';
import { toStoreError } from '../base/errors.ts';
import type { Sha256 } from '../base/hash.ts';
import type { Epoch, NetworkId, NodeId, OwnerId } from '../base/ids.ts';
import { OPERATOR_RETRY_BLOCKS, TRANSACTION_LIFETIME_BLOCKS } from '../base/limits.ts';
import type { Signer } from '../base/ports.ts';
import type { Contributor } from '../consensus/beacon.ts';
import { accountOf } from '../shards/account.ts';
import { LEDGER_RULES } from '../shards/ledger.ts';
import { type NodeRecord, nodeWithKey } from '../shards/node.ts';
import { type Parameters, parametersOf } from '../shards/parameters.ts';
import { encodeTransaction, signTransaction } from '../shards/transaction.ts';
import { contributorOf } from '../shards/turns.ts';
import { LoadedState, Overlay } from '../shards/view.ts';
import type { Beacon } from './beacon-file.ts';
import type { ChainService } from './chain/chain-service.ts';
import { settle } from './chain/settle.ts';
import { feeRoom } from './operator-actions.ts';
import type { NodeLogger } from './storage-node.ts';

export interface TendingPorts {
  readonly service: Pick<ChainService, 'chain' | 'submit' | 'status'>;
  readonly network: NetworkId;
  readonly node: NodeId;
  readonly operator: Signer;
  readonly beacon: Beacon;
  readonly sha256: Sha256;
  readonly logger: NodeLogger;
}

export interface Tending {
  /** Resolves when nothing is under way. */
  stop(): Promise<void>;
}

/** How the node stands, in one state. */
interface Standing {
  readonly node: NodeRecord | undefined;
  readonly contributor: Contributor | undefined;
  readonly nonce: number;
  readonly parameters: Parameters;
}

export function tendOperator(ports: TendingPorts): Tending {
  const { service, logger } = ports;
  const tender = new Tender(ports);
  let running: Promise<void> | undefined;
  let nextHeight = 0;
  let epoch = -1;

  function look(): void {
    const { context, height } = service.chain.next;
    // What is executed while catching up is long over.
    if (running !== undefined || service.status().role === 'syncing') return;
    if (context.epoch === epoch && height < nextHeight) return;
    epoch = context.epoch;
    nextHeight = height + OPERATOR_RETRY_BLOCKS;
    running = tender
      .look()
      .catch((error: unknown) => {
        const reason = toStoreError(error, 'INTERNAL', 'the reveal chain of this node').message;
        logger.warn({ reason }, 'could not commit to a new reveal chain: tried again later');
      })
      .finally(() => {
        running = undefined;
      });
  }

  const end = service.chain.onCommit(look);
  look();
  return {
    stop: async () => {
      end();
      await running;
    },
  };
}

class Tender {
  readonly #ports: TendingPorts;
  /** The last chain that was handed in, and in which epoch: within it no reveal of that chain is known to anybody. */
  #made: { readonly tip: string; readonly epoch: Epoch } | undefined;
  #told: string | undefined;

  constructor(ports: TendingPorts) {
    this.#ports = ports;
  }

  async look(): Promise<void> {
    const { service, node, operator } = this.#ports;
    const account = operator.publicKey as OwnerId;
    const { epoch } = service.chain.next.context;
    const standing = await settle(service.chain, new LoadedState(), (loaded) =>
      standingOf(new Overlay(loaded), node, account),
    );
    if (standing.node === undefined || standing.node.isRetired) return;
    this.#tell(standing.node);
    if (!equal(standing.node.operator, account) || standing.node.isTombstoned) return;
    const reserve = 2 * standing.parameters.epochBlocks;
    if (!this.#ports.beacon.isRunningOut(standing.contributor, epoch, reserve)) return;
    await this.#commit(standing, account, epoch);
  }

  /** Once for each thing that is wrong. */
  #tell(node: NodeRecord): void {
    const { jailedUntil, isJailed, isTombstoned } = node;
    const state = isTombstoned ? 'tombstoned' : isJailed ? `jailed until ${jailedUntil}` : undefined;
    if (state === this.#told) return;
    this.#told = state;
    const { logger } = this.#ports;
    if (isTombstoned)
      logger.error({}, 'the operator of this node is out for good: its key signed against itself');
    else if (isJailed) {
      const facts = { untilEpoch: jailedUntil, next: 'store stake unjail' };
      logger.warn(
        facts,
        'this node is jailed and votes no more: when it is well, and that epoch has come, free it',
      );
    }
  }

  async #commit({ contributor, nonce, parameters }: Standing, account: OwnerId, epoch: Epoch): Promise<void> {
    const { service, network, node, operator, beacon, sha256, logger } = this.#ports;
    const known = beacon.commitment();
    // The first chain of a node was made with its folder, and nobody has heard of it.
    const isOnItsWay = this.#made?.epoch === epoch && this.#made.tip === toHex(known.tip);
    const isFresh = contributor === undefined || isOnItsWay;
    const commitment = isFresh ? known : await beacon.renew(contributor);
    this.#made = { tip: toHex(commitment.tip), epoch };
    const { operations } = LEDGER_RULES;
    const signed = signTransaction(
      {
        network,
        sender: account,
        nonce,
        fee: feeRoom(parameters),
        expiresAtHeight: service.chain.head.height + TRANSACTION_LIFETIME_BLOCKS,
        action: { kind: 'commit-beacon', parameters: { node, ...commitment } },
      },
      operations,
      operator,
      sha256,
    );
    const id = await service.submit(encodeTransaction(signed, operations));
    logger.info({ transaction: short(id) }, 'commits to a new reveal chain');
  }
}

function standingOf(state: Overlay, key: NodeId, account: OwnerId): Standing {
  return {
    node: nodeWithKey(state, key),
    contributor: contributorOf(state, key),
    nonce: accountOf(state, account).nonce,
    parameters: parametersOf(state),
  };
}
