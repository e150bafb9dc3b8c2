// The changes of `store stake`: each is tried on the proven state, signed, waited for until it is final, and then looked for in the state.
//
// What a transaction asks of a node is decided at the system's home, perhaps in another shard, after the transaction itself was taken: a
// refusal there shows in the state alone. So the state before and after decides what is said.

import { toHex } from '../src/base/bytes.ts';
import { StoreError } from '../src/base/errors.ts';
import type { OwnerId, Signature } from '../src/base/ids.ts';
import { TRANSACTION_LIFETIME_BLOCKS } from '../src/base/limits.ts';
import type { Signer } from '../src/base/ports.ts';
import type { OpenChainClient } from '../src/client/chain/client.ts';
import type { Answer, Inclusion, Moment } from '../src/client/chain/types.ts';
import { readSettled } from '../src/client/names/settle.ts';
import { nativeSha256 } from '../src/runtime/crypto.ts';
import { accountHome, accountOf } from '../src/shards/account.ts';
import { LEDGER_RULES } from '../src/shards/ledger.ts';
import { parametersOf } from '../src/shards/parameters.ts';
import { leastFee } from '../src/shards/rules.ts';
import { type SignedTransaction, signTransaction } from '../src/shards/transaction.ts';
import type { Overlay } from '../src/shards/view.ts';
import type { Context } from './command.ts';
import { shortId } from './format.ts';
import { proofJson, proofLine, withChain } from './open-chain.ts';
import type { StakeFlags, StakeRequest } from './stake.ts';
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
import {
  actionOf,
  homeOfTarget,
  isDone,
  measure,
  nowText,
  OWN_WORDS,
  type Plan,
  type Wish,
  wordsOf,
} from './stake-wishes.ts';
import { refusalError } from './tx-refusals.ts';

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
      throw refusalError(`cannot ${what}; nothing was handed in`, expected, OWN_WORDS[wish.action]);
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
      throw refusalError(`cannot ${wordsOf(plan)}`, inclusion.refusal, OWN_WORDS[plan.wish.action]);
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
      OWN_WORDS[wish.action],
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
