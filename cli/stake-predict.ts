// What would come of a transaction, tried on a proven state: the same rules that the chain runs, its messages executed at once. Others may
// change the state before it is its turn, so this is a prediction, and the proven state afterwards decides.

import type { OwnerId } from '../src/base/ids.ts';
import type { Moment } from '../src/client/chain/types.ts';
import { nativeSha256, nativeVerify } from '../src/runtime/crypto.ts';
import { debit } from '../src/shards/account.ts';
import { amountOf, NATIVE } from '../src/shards/amounts.ts';
import { epochStateOf } from '../src/shards/epoch-state.ts';
import { LEDGER_RULES } from '../src/shards/ledger.ts';
import type { BlockContext, Message, RefusalCode } from '../src/shards/operation.ts';
import type { SignedTransaction } from '../src/shards/transaction.ts';
import { Overlay } from '../src/shards/view.ts';

/** Its nonce and signature are not looked at. Undefined: it would be done. Throws MissingRecords. */
export function predict(
  state: Overlay,
  at: Moment,
  { transaction, id }: Pick<SignedTransaction, 'transaction' | 'id'>,
): RefusalCode | undefined {
  const { operations, deliveries } = LEDGER_RULES;
  const { sender, action, fee, network } = transaction;
  const { epoch, shardBits } = epochStateOf(state);
  const { height, timeMs } = at;
  const now = { network, height: height + 1, epoch, timeMs, shardBits };
  const block: BlockContext = { ...now, sha256: nativeSha256, verify: nativeVerify };
  const tried = new Overlay(state);
  if (!debit(tried, sender as OwnerId, amountOf(NATIVE, fee))) return 'insufficient-balance';
  const messages: Message[] = [];
  const send = (message: Message): void => void messages.push(message);
  const context = { block, state: tried, sender, transactionId: id, send };
  const refusal = operations.of(action.kind).commit(context, action.parameters);
  if (refusal !== undefined) return refusal;
  // Messages are appended while the loop runs.
  for (const message of messages) {
    const delivery = deliveries.of(message.kind);
    const refused = delivery.execute({ block, state: tried, message, send }, message.payload);
    if (refused !== undefined) return refused;
  }
  return undefined;
}
