// The changes of `store stake`: each is tried on the proven state, signed, waited for until it is final, and then looked for in the state.
//
// What a transaction asks of a node is decided at the system's home, perhaps in another shard, after the transaction itself was taken: a
// refusal there shows in the state alone. So the state before and after decides what is said.

import { toHex } from '../src/base/bytes.ts';
import { StoreError } from '../src/base/errors.ts';
import type { NodeId, OwnerId, Signature } from '../src/base/ids.ts';
import { TRANSACTION_LIFETIME_BLOCKS } from '../src/base/limits.ts';
import type { Signer } from '../src/base/ports.ts';
import type { OpenChainClient } from '../src/client/chain/client.ts';
import type { Answer, Inclusion, Moment } from '../src/client/chain/types.ts';
import { readSettled } from '../src/client/names/settle.ts';
import { nativeSha256 } from '../src/runtime/crypto.ts';
import { accountHome, accountOf } from '../src/shards/account.ts';
import { amountIn } from '../src/shards/amounts.ts';
import { bondsOf, unbondingOf } from '../src/shards/bonds.ts';
import { LEDGER_RULES } from '../src/shards/ledger.ts';
import { nodeOf, nodeWithKey } from '../src/shards/node.ts';
import type { RefusalCode } from '../src/shards/operation.ts';
import { type Parameters, parametersOf } from '../src/shards/parameters.ts';
import { leastFee } from '../src/shards/rules.ts';
import { type Home, homeOf } from '../src/shards/state-key.ts';
import { type Action, type SignedTransaction, signTransaction } from '../src/shards/transaction.ts';
import type { Overlay } from '../src/shards/view.ts';
import type { Context } from './command.ts';
import { shortId } from './format.ts';
import { proofJson, proofLine, withChain } from './open-chain.ts';
import type { StakeAction, StakeFlags, StakeRequest } from './stake.ts';
import {
  assetName,
  assetNamed,
  checkNodeText,
  mustBeAccount,
  nodeNamed,
  signerIn,
  signingAccount,
} from './stake-names.ts';
import { predict } from './stake-predict.ts';
import { type OwnWords, refusalError } from './tx-refusals.ts';

/** The request in the chain's words. */
interface Wish {
  readonly action: StakeAction;
  readonly sender: OwnerId;
  /** Node by its registration; of a transfer the account. */
  readonly target: Uint8Array;
  readonly asset: number;
  readonly amount: bigint;
}

/** A wish on one state: what it would lead to, and what it is measured by. */
interface Plan {
  readonly wish: Wish;
  readonly assetText: string;
  readonly free: SignedTransaction;
  readonly nonce: number;
  readonly expected: RefusalCode | undefined;
  readonly measured: bigint;
  readonly parameters: Parameters;
}

/** Runs one action. Throws what reading, signing and submitting throw, and the refusal of the chain. */
export async function runStakeAction(
  context: Context,
  request: StakeRequest,
  flags: StakeFlags,
): Promise<undefined> {
  const sender = await signingAccount(context, flags);
  const isTransfer = request.action === 'transfer';
  if (!isTransfer) checkNodeText(request.target);
  const account = isTransfer ? await mustBeAccount(context.home, request.target) : undefined;
  await withChain(context, flags, async (chain, signal) => {
    const look = (state: Overlay, at: Moment): Plan =>
      planOf(chain, state, at, wishOf(state, request, sender, account, flags.asset));
    const before = await chain.read(look, { signal });
    const { wish, expected } = before.value;
    const what = wordsOf(before.value);
    if (expected !== undefined)
      throw refusalError(`cannot ${what}; nothing was handed in`, expected, SPECIAL[wish.action]);
    if (flags.dryRun === true) {
      context.output.result(`would ${what}: the chain would do it\n\n${proofLine(before)}`, {
        ...resultJson(before.value),
        isDryRun: true,
        outcome: 'expected',
        ...proofJson(before),
      });
      return;
    }
    const signer = await signerIn(context, flags);
    context.output.live('waiting until it is final ...');
    const done = await submit(chain, signer, before.value, signal);
    const after = await readSettled(chain, [accountHome(sender), homeOfTarget(wish)], look, {
      sentAt: done.height,
      signal,
    });
    tell(context, before, after, done);
  });
  return undefined;
}

/** Throws MissingRecords, NOT_FOUND, INVALID_ARGUMENT. */
function wishOf(
  state: Overlay,
  { action, target, amount }: StakeRequest,
  sender: OwnerId,
  account: OwnerId | undefined,
  asset: string | undefined,
): Wish {
  const index = assetNamed(parametersOf(state), asset);
  return { action, sender, target: account ?? nodeNamed(state, target).registration, asset: index, amount };
}

function planOf(chain: OpenChainClient, state: Overlay, at: Moment, wish: Wish): Plan {
  const parameters = parametersOf(state);
  const { nonce } = accountOf(state, wish.sender);
  const plan = {
    wish,
    nonce,
    parameters,
    assetText: assetName(parameters, wish.asset),
    measured: measure(state, wish),
  };
  const free = signed(chain, nobody(wish.sender), plan, at);
  return { ...plan, free, expected: predict(state, at, free) };
}

// ---- What each action asks, and what shows that it was done ------------------------------------------------------

function actionOf({ action, target, asset, amount }: Wish): Action {
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
function measure(state: Overlay, { action, target, sender, asset }: Wish): bigint {
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

function isDone({ action, amount }: Wish, before: bigint, after: bigint): boolean {
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

function homeOfTarget({ action, target }: Wish): Home {
  return action === 'transfer' ? accountHome(target as OwnerId) : homeOf('system');
}

function wordsOf({ wish: { action, target, amount }, assetText }: Plan): string {
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
/** Where the general words would mislead. */
const SPECIAL: Readonly<Partial<Record<StakeAction, OwnWords>>> = {
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

// ---- Signing and handing in --------------------------------------------------------------------------------------

/** Stands in for the signer where nothing shall be signed. */
const nobody = (publicKey: OwnerId): Signer => ({
  publicKey,
  sign: () => new Uint8Array(64) as Signature,
});

/** By which the number of a fee can be longer than that of none. */
const FEE_LENGTH = 8;

function signed(
  chain: OpenChainClient,
  signer: Signer,
  { wish, nonce, parameters }: Pick<Plan, 'wish' | 'nonce' | 'parameters'>,
  { height }: Pick<Moment, 'height'>,
): SignedTransaction {
  const { perTransaction, perByte } = parameters.fees;
  const fees = { feePerTransaction: perTransaction, feePerByte: perByte, receiptLifetimeBlocks: 0 };
  const about = {
    network: chain.network,
    sender: wish.sender,
    nonce,
    expiresAtHeight: height + TRANSACTION_LIFETIME_BLOCKS,
    action: actionOf(wish),
  };
  const sign = (fee: bigint): SignedTransaction =>
    signTransaction({ ...about, fee }, LEDGER_RULES.operations, signer, nativeSha256);
  const free = sign(0n);
  if (leastFee(fees, free.lengthBytes) === 0n) return free;
  return sign(leastFee(fees, free.lengthBytes + FEE_LENGTH));
}

interface Submitted extends Inclusion {
  readonly id: Uint8Array;
}

const RACES_MAX = 4;

/** Again with the next nonce when somebody else used this one. Throws the refusal of the transaction. */
async function submit(
  chain: OpenChainClient,
  signer: Signer,
  plan: Plan,
  signal: AbortSignal,
): Promise<Submitted> {
  for (let left = RACES_MAX; ; left--) {
    const { value: nonce, height } = await chain.read((state) => accountOf(state, plan.wish.sender).nonce, {
      signal,
    });
    const transaction = signed(chain, signer, { ...plan, nonce }, { height });
    try {
      const inclusion = await chain.submit(transaction, { signal });
      if (inclusion.refusal === undefined) return { ...inclusion, id: transaction.id };
      throw refusalError(`cannot ${wordsOf(plan)}`, inclusion.refusal, SPECIAL[plan.wish.action]);
    } catch (error) {
      if (left === 1 || !(error instanceof StoreError) || error.code !== 'ALREADY_EXISTS') throw error;
    }
  }
}

// ---- Telling -----------------------------------------------------------------------------------------------------

function tell(
  { output }: Context,
  before: Answer<Plan>,
  after: Answer<Plan>,
  { id, height }: Submitted,
): void {
  const { wish, measured } = before.value;
  if (!isDone(wish, measured, after.value.measured)) {
    throw refusalError(
      `${wordsOf(before.value)}: transaction ${shortId(toHex(id))} is in block ${height}`,
      after.value.expected ?? 'condition-failed',
      SPECIAL[wish.action],
    );
  }
  output.result(
    [
      `done: ${wordsOf(before.value)}`,
      `transaction ${toHex(id)} in block ${height}`,
      nowText(after.value),
      proofLine(after),
    ].join('\n'),
    {
      ...resultJson(before.value),
      isDryRun: false,
      outcome: 'done',
      transaction: toHex(id),
      block: height,
      after: after.value.measured,
      ...proofJson(after),
    },
  );
}

function resultJson({ wish, assetText, measured, free }: Plan): Record<string, unknown> {
  const { action, sender, target, amount } = wish;
  const isOfTokens = action !== 'unjail' && action !== 'withdraw';
  return {
    action,
    account: toHex(sender),
    target: toHex(target),
    asset: isOfTokens ? assetText : null,
    amount: isOfTokens ? amount : null,
    fee: free.transaction.fee,
    before: measured,
  };
}

function nowText({ wish: { action, target }, assetText, measured, parameters }: Plan): string {
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
