// How transactions come to wait: decoded, checked against network and signature, asked about at the head, and then offered to the pool.
// The same way for those of this node's clients and for those that other nodes pass on.

import { fromHex, toHex } from '../../base/bytes.ts';
import type { Digest } from '../../base/ids.ts';
import { BLOCK_LENGTH_MAX } from '../../base/limits.ts';
import { accountKey, accountOf } from '../../shards/account.ts';
import { amountIn, NATIVE } from '../../shards/amounts.ts';
import { leastFee } from '../../shards/rules.ts';
import {
  decodeTransaction,
  encodeTransaction,
  type SignedTransaction,
  verifyTransaction,
} from '../../shards/transaction.ts';
import { accountNews } from './account-news.ts';
import type { Chain, Committed } from './chain.ts';
import type { ChainRules } from './next-height.ts';
import { type Admission, TransactionPool } from './transaction-pool.ts';

export class Intake {
  readonly pool: TransactionPool = new TransactionPool();
  readonly #chain: Chain;
  readonly #rules: ChainRules;
  /** Handed in here and not included yet: passed on again, because gossip promises nothing. */
  readonly #own = new Set<string>();
  readonly #admitted: () => void;

  /** `admitted` is called when one more waits. */
  constructor(chain: Chain, rules: ChainRules, admitted: () => void) {
    this.#chain = chain;
    this.#rules = rules;
    this.#admitted = admitted;
    chain.useKnown((id) => this.pool.get(id));
    chain.onCommit((committed) => this.#committed(committed));
  }

  /** Of a client of this node. Throws INVALID_ENCODING, WRONG_NETWORK, INVALID_SIGNATURE, and what the pool refuses with. */
  async submit(bytes: Uint8Array): Promise<Digest> {
    const { signed, admission } = await this.offer(bytes);
    if (admission.kind === 'refused') throw admission.error;
    this.#own.add(toHex(signed.id));
    return signed.id;
  }

  /** Of anybody. Throws INVALID_ENCODING, WRONG_NETWORK, INVALID_SIGNATURE. */
  async offer(
    bytes: Uint8Array,
  ): Promise<{ readonly signed: SignedTransaction; readonly admission: Admission }> {
    const { rules, networkId, verify, sha256 } = this.#rules;
    const signed = decodeTransaction(bytes, rules.operations, sha256);
    if (this.pool.has(signed.id)) return { signed, admission: { kind: 'known' } };
    verifyTransaction(signed, networkId, rules.operations, verify);
    const { sender } = signed.transaction;
    const { value: account, height } = await this.#chain.ask(accountKey(sender), (state) =>
      accountOf(state, sender),
    );
    const admission = this.pool.add(signed, {
      nonce: account.nonce,
      balance: amountIn(account.balances, NATIVE),
      height,
      leastFee: leastFee(this.#chain.next.context.params, signed.lengthBytes),
    });
    if (admission.kind === 'added' || admission.kind === 'replaced') this.#admitted();
    return { signed, admission };
  }

  /** For the next block: as many as this node may propose in this round. */
  candidates(round = 0): readonly SignedTransaction[] {
    const { budget, next } = this.#chain;
    const { bytes, transactions } = budget.share(round, next.timeouts.proposeMs);
    return this.pool.candidates(bytes, transactions);
  }

  /** Whether a block could take something. */
  get hasWork(): boolean {
    return this.pool.candidates(BLOCK_LENGTH_MAX, 1).length > 0;
  }

  /** Encoded transactions that were handed in here and still wait; at most `limit`, and the others the next time. */
  own(limit: number): readonly Uint8Array[] {
    const waiting: Uint8Array[] = [];
    const ids = [...this.#own];
    for (const id of ids) {
      if (waiting.length >= limit) break;
      const signed = this.pool.get(fromHex(id) as Digest);
      this.#own.delete(id);
      if (signed === undefined) continue;
      this.#own.add(id);
      waiting.push(encodeTransaction(signed, this.#rules.rules.operations));
    }
    return waiting;
  }

  #committed({ block, head, executed }: Committed): void {
    const included = block.body.transactions.map(({ id, transaction: { sender, nonce } }) => ({
      id,
      sender,
      nonce,
    }));
    for (const { id } of included) this.#own.delete(toHex(id));
    this.pool.committed(head.height, included, accountNews(executed.changes, this.pool));
  }
}
