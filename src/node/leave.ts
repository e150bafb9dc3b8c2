// Leaving: the operator of a node retires it and takes its stake back. The node is given nothing new from the next border on, its vote ends as
// soon as churn lets it go, and its stake is free when nobody can bring evidence against it any more. Run again then, this takes it out.
//
// Moving the node's pieces to others is not done here.

import { equal } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import type { NodeId, OwnerId } from '../base/ids.ts';
import type { ChainClient, Moment } from '../client/chain/types.ts';
import { loadIdentity } from '../runtime/identity.ts';
import { type Amounts, NATIVE, NOTHING } from '../shards/amounts.ts';
import { bondsOf, unbondingOf } from '../shards/bonds.ts';
import { epochStateOf, isFree } from '../shards/epoch-state.ts';
import { membersOf } from '../shards/members.ts';
import type { NodeRecord } from '../shards/node.ts';
import { parametersOf } from '../shards/parameters.ts';
import { settledEntries } from '../shards/validator-sets.ts';
import type { Overlay } from '../shards/view.ts';
import { dataFolder } from './data-folder.ts';
import { accountOf } from './node-keys.ts';
import { type ActionOptions, balanceIn, ownNode, perform } from './operator-actions.ts';

export type LeaveStep = 'unbond' | 'retire' | 'withdraw' | 'done';

export interface LeaveOptions extends ActionOptions {
  readonly folder: string;
  readonly chain: ChainClient;
  readonly onStep?: (step: LeaveStep) => void;
}

export interface LeftNode {
  readonly node: NodeId;
  readonly account: OwnerId;
  /** The epoch that runs now. */
  readonly epoch: number;
  /** The last epoch in which it is given pieces, and in which it may vote as far as that is settled; undefined when that is over. */
  readonly memberUntil: number | undefined;
  readonly validatorUntil: number | undefined;
  /** Tokens on their way out, and when they can be had; undefined while a border has not let them go. */
  readonly leaving: bigint;
  readonly freeAfterEpoch: number | undefined;
  /** Native tokens of the operator's account. */
  readonly balance: bigint;
}

interface Standing {
  readonly node: NodeRecord;
  /** What the operator has bonded. */
  readonly bonds: Amounts;
}

/** Throws NOT_FOUND (no such node on the chain), UNAUTHORIZED (another operator's), REFUSED, and what the chain throws. */
export async function leaveNetwork(options: LeaveOptions): Promise<LeftNode> {
  const { chain, onStep = () => undefined } = options;
  const rest = options.signal === undefined ? {} : { signal: options.signal };
  const folder = dataFolder(options.folder);
  const { nodeId } = await loadIdentity(folder.identityKey);
  const operator = await loadIdentity(folder.operatorKey);
  const account = accountOf(operator);
  const { value: before } = await chain.read(
    (state, at) => ({ ...standingOf(state, nodeId, account), hasFree: hasFree(state, at, nodeId, account) }),
    rest,
  );
  for (const [asset, amount] of before.bonds) {
    onStep('unbond');
    const action = { kind: 'unbond', parameters: { node: nodeId, asset, amount } };
    await perform(chain, operator.signer, action, () => undefined, rest);
  }
  if (!before.node.isRetired) {
    onStep('retire');
    const action = { kind: 'retire-node', parameters: { node: nodeId } };
    const after = await perform(
      chain,
      operator.signer,
      action,
      (state) => standingOf(state, nodeId, account),
      rest,
    );
    if (!after.node.isRetired) throw new StoreError('REFUSED', 'the chain did not let the node go');
  }
  if (before.hasFree) {
    onStep('withdraw');
    const action = { kind: 'withdraw', parameters: { node: nodeId } };
    await perform(chain, operator.signer, action, () => undefined, rest);
  }
  onStep('done');
  return (await chain.read((state) => leftOf(state, nodeId, account), rest)).value;
}

function standingOf(state: Overlay, key: NodeId, account: OwnerId): Standing {
  const node = ownNode(state, key, account);
  if (node === undefined) {
    throw new StoreError('NOT_FOUND', 'the chain knows no node with the key of this folder', {
      next: 'It never joined, so there is nothing to leave.',
    });
  }
  const own = bondsOf(state, node.registration).find(({ owner }) => equal(owner, account));
  return { node, bonds: own?.amounts ?? NOTHING };
}

function hasFree(state: Overlay, at: Moment, key: NodeId, account: OwnerId): boolean {
  const { node } = standingOf(state, key, account);
  const now = { height: at.height + 1, timeMs: at.timeMs };
  const [epochState, parameters] = [epochStateOf(state), parametersOf(state)];
  return unbondingOf(state, node.registration).some(
    ({ owner, lastEpoch }) =>
      equal(owner, account) && lastEpoch !== null && isFree(epochState, parameters, now, lastEpoch),
  );
}

function leftOf(state: Overlay, key: NodeId, account: OwnerId): LeftNode {
  const { node } = standingOf(state, key, account);
  const { epoch, memberCount } = epochStateOf(state);
  const { unbondingEpochs } = parametersOf(state).stake;
  const isMember = membersOf(state, memberCount).some((member) => equal(member.node, node.key));
  const votes = [epoch, epoch + 1].filter((each) =>
    settledEntries(state, each).some(({ registration }) => equal(registration, node.registration)),
  );
  const queue = unbondingOf(state, node.registration).filter(({ owner }) => equal(owner, account));
  const last = queue.map(({ lastEpoch }) => lastEpoch);
  return {
    node: key,
    account,
    epoch,
    memberUntil: isMember ? epoch : undefined,
    validatorUntil: votes.at(-1),
    leaving: queue.reduce((sum, { asset, amount }) => (asset === NATIVE ? sum + amount : sum), 0n),
    freeAfterEpoch:
      last.length === 0 || last.includes(null) ? undefined : Math.max(...last.map(Number)) + unbondingEpochs,
    balance: balanceIn(state, account),
  };
}
