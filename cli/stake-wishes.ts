// What each action of `store stake` asks of the chain, what shows in the state that it was done, and the words for it. Pure.

import { toHex } from '../src/base/bytes.ts';
import type { NodeId, OwnerId } from '../src/base/ids.ts';
import { accountHome, accountOf } from '../src/shards/account.ts';
import { amountIn } from '../src/shards/amounts.ts';
import { bondsOf, unbondingOf } from '../src/shards/bonds.ts';
import { nodeOf, nodeWithKey } from '../src/shards/node.ts';
import type { RefusalCode } from '../src/shards/operation.ts';
import type { Parameters } from '../src/shards/parameters.ts';
import { type Home, homeOf } from '../src/shards/state-key.ts';
import type { Action, SignedTransaction } from '../src/shards/transaction.ts';
import type { Overlay } from '../src/shards/view.ts';
import { shortId } from './format.ts';
import type { StakeAction } from './stake.ts';
import type { OwnWords } from './tx-refusals.ts';

/** The request in the chain's words. */
export interface Wish {
  readonly action: StakeAction;
  readonly sender: OwnerId;
  /** Node by its registration; of a transfer the account. */
  readonly target: Uint8Array;
  readonly asset: number;
  readonly amount: bigint;
}

/** A wish on one state: what it would lead to, and what it is measured by. */
export interface Plan {
  readonly wish: Wish;
  readonly assetText: string;
  readonly free: SignedTransaction;
  readonly nonce: number;
  readonly expected: RefusalCode | undefined;
  readonly measured: bigint;
  readonly parameters: Parameters;
}

/** What the chain is asked. */
export function actionOf({ action, target, asset, amount }: Wish): Action {
  const node = target as NodeId;
  const amounts = [[asset, amount]] as const;
  switch (action) {
    case 'bond':
    case 'delegate':
      return { kind: action, parameters: { node, amounts } };
    case 'unbond':
      return { kind: action, parameters: { node, asset, amount } };
    case 'withdraw':
    case 'unjail':
      return { kind: action, parameters: { node } };
    case 'transfer':
      return { kind: action, parameters: { to: target as OwnerId, amounts } };
  }
}

/** A number that the action changes and nobody but this account does (with the balance of a transfer's account as the exception). */
export function measure(state: Overlay, { action, target, sender, asset }: Wish): bigint {
  const node = target as NodeId;
  const isOwn = ({ owner }: { readonly owner: OwnerId }): boolean => toHex(owner) === toHex(sender);
  switch (action) {
    case 'bond':
    case 'delegate':
    case 'unbond':
      return amountIn(bondsOf(state, node).find(isOwn)?.amounts ?? [], asset);
    case 'withdraw':
      return unbondingOf(state, node)
        .filter(isOwn)
        .reduce((sum, { amount }) => sum + amount, 0n);
    case 'unjail':
      return (nodeOf(state, node) ?? nodeWithKey(state, node))?.isJailed === true ? 1n : 0n;
    case 'transfer':
      return amountIn(accountOf(state, target as OwnerId).balances, asset);
  }
}

/** Whether the measure before and after shows that it was done. */
export function isDone({ action, amount }: Wish, before: bigint, after: bigint): boolean {
  switch (action) {
    case 'bond':
    case 'delegate':
      return after >= before + amount;
    case 'unbond':
      return after <= before - amount;
    case 'withdraw':
      return after < before;
    case 'unjail':
      return after === 0n;
    // Taken from the sender with the transaction; what arrives cannot be refused, and its owner may have spent it.
    case 'transfer':
      return true;
  }
}

/** Where it is decided. */
export function homeOfTarget({ action, target }: Wish): Home {
  return action === 'transfer' ? accountHome(target as OwnerId) : homeOf('system');
}

/** What is done, after a verb such as cannot. */
export function wordsOf({ wish: { action, target, amount }, assetText }: Plan): string {
  const name = shortId(toHex(target));
  switch (action) {
    case 'bond':
      return `bond ${amount} ${assetText} at node ${name}`;
    case 'delegate':
      return `delegate ${amount} ${assetText} to node ${name}`;
    case 'unbond':
      return `unbond ${amount} ${assetText} at node ${name}`;
    case 'withdraw':
      return `withdraw from node ${name}`;
    case 'unjail':
      return `unjail node ${name}`;
    case 'transfer':
      return `transfer ${amount} ${assetText} to account ${name}`;
  }
}

const BELONGS = 'the account is not the operator of the node';
/** Of refusals, where the general words would mislead. */
export const OWN_WORDS: Readonly<Partial<Record<StakeAction, OwnWords>>> = {
  bond: {
    'insufficient-balance': { text: 'the account has less than that' },
    'not-the-operator': {
      text: BELONGS,
      next: 'Sign with --dir and the folder of the node, or delegate instead.',
    },
  },
  delegate: {
    'insufficient-balance': { text: 'the account has less than that' },
    'not-the-operator': { text: 'the node takes no tokens of others', next: 'Choose another node.' },
  },
  unbond: {
    'insufficient-balance': { text: 'the account has less than that bonded there' },
    'invalid-argument': {
      text: 'less than the least bond would be left',
      next: 'Leave more, or nothing at all.',
    },
  },
  withdraw: {
    'insufficient-balance': {
      text: 'nothing of the account unbonds there',
      next: 'Ask for it first with "store stake unbond NODE AMOUNT".',
    },
    'too-early': { text: 'nothing of it is free yet' },
  },
  unjail: {
    'not-the-operator': { text: BELONGS, next: 'Sign with --dir and the folder of the node.' },
    'condition-failed': { text: 'the node is not in jail', next: 'Nothing needs to be done.' },
    'too-early': { text: 'its time in jail is not over' },
  },
  transfer: { 'insufficient-balance': { text: 'the account has less than that' } },
};

/** How it stands afterwards; `measured` is of the state then. */
export function nowText({ wish: { action, target }, assetText, measured, parameters }: Plan): string {
  const { unbondingEpochs } = parameters.stake;
  switch (action) {
    case 'bond':
    case 'delegate':
      return `the account has ${measured} ${assetText} bonded there now`;
    case 'unbond':
      return `${measured} ${assetText} stay bonded there; the rest is let go at an epoch's end and free ${unbondingEpochs} epochs after it backed validators last: store stake withdraw ${shortId(toHex(target))}`;
    case 'withdraw':
      return `${measured} still unbond there`;
    case 'unjail':
      return 'the node may be a validator again when the next sets are made';
    case 'transfer':
      return `the account has ${measured} ${assetText} now`;
  }
}
