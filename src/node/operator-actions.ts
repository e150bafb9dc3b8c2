// What an operator does on the chain for its node: actions that its account signs and the system decides. Every step looks at the state
// first, so that one that was interrupted is gone on with and none is done twice.

import { equal, short } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import type { NodeId, OwnerId } from '../base/ids.ts';
import { FEE_ROOM_LENGTH } from '../base/limits.ts';
import type { Signer } from '../base/ports.ts';
import type { ChainClient } from '../client/chain/types.ts';
import { readSettled } from '../client/names/settle.ts';
import { accountHome, accountOf } from '../shards/account.ts';
import { amountIn, amountOf, NATIVE } from '../shards/amounts.ts';
import { type NodeRecord, nodeWithKey } from '../shards/node.ts';
import { type Parameters, parametersOf } from '../shards/parameters.ts';
import { leastFee } from '../shards/rules.ts';
import type { Home } from '../shards/state-key.ts';
import { SYSTEM } from '../shards/system-key.ts';
import type { Action } from '../shards/transaction.ts';
import type { Overlay } from '../shards/view.ts';

export interface ActionOptions {
  readonly signal?: AbortSignal;
}

export const accountIdOf = (signer: Signer): OwnerId => signer.publicKey as OwnerId;

/** Performs `action` and gives what `decide` makes of the state in which the system has decided on it. Throws REFUSED. */
export async function perform<T>(
  chain: ChainClient,
  signer: Signer,
  action: Action,
  decide: (state: Overlay) => T,
  options: ActionOptions & { readonly to?: Home } = {},
): Promise<T> {
  const { to = SYSTEM, ...rest } = options;
  const [inclusion] = await chain.perform(signer, [action], rest);
  const { refusal, height } = inclusion!;
  if (refusal !== undefined) {
    throw new StoreError('REFUSED', `${action.kind}: the chain refused it (${refusal})`, {
      next: 'Correct what the reason names, and run it again.',
    });
  }
  const from = accountHome(accountIdOf(signer));
  const { value } = await readSettled(chain, [from, to], decide, { sentAt: height, ...rest });
  return value;
}

/** Native tokens of an account. */
export function balanceIn(state: Overlay, account: OwnerId): bigint {
  return amountIn(accountOf(state, account).balances, NATIVE);
}

/** Enough for the fee of any of the transactions here. */
export function feeRoom({ fees }: Parameters): bigint {
  const params = {
    feePerTransaction: fees.perTransaction,
    feePerByte: fees.perByte,
    receiptLifetimeBlocks: 0,
  };
  return leastFee(params, FEE_ROOM_LENGTH);
}

/** Sends native tokens. Throws REFUSED. */
export async function send(
  chain: ChainClient,
  signer: Signer,
  to: OwnerId,
  tokens: bigint,
  options: ActionOptions = {},
): Promise<void> {
  const action = { kind: 'transfer', parameters: { to, amounts: amountOf(NATIVE, tokens) } };
  await perform(chain, signer, action, () => undefined, { ...options, to: accountHome(to) });
}

/** The node with this key, for its operator. Throws UNAUTHORIZED when another operator has registered it. */
export function ownNode(state: Overlay, key: NodeId, operator: OwnerId): NodeRecord | undefined {
  const node = nodeWithKey(state, key);
  if (node === undefined || equal(node.operator, operator)) return node;
  throw new StoreError('UNAUTHORIZED', `node ${short(key)} belongs to operator ${short(node.operator)}`, {
    next: 'Put the operator.key of that operator into the data folder.',
  });
}

/** What starting something needs to know: parameters and tokens at hand. */
export interface Means {
  readonly parameters: Parameters;
  readonly balance: bigint;
}

export async function meansOf(
  chain: ChainClient,
  account: OwnerId,
  options: ActionOptions = {},
): Promise<Means> {
  const read = (state: Overlay): Means => ({
    parameters: parametersOf(state),
    balance: balanceIn(state, account),
  });
  return (await chain.read(read, options)).value;
}
