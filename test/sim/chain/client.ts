// An account of a client: it hands transactions in to random nodes, asks random nodes what became of them, and says again what is not
// included. Nonces may be used for two transactions at once, of which one can win. A patient one says nothing again as long as the node that
// took its transaction lives: then that node owes it.

import { toHex } from '../../../src/base/bytes.ts';
import { StoreError } from '../../../src/base/errors.ts';
import type { Digest, NodeId, OwnerId } from '../../../src/base/ids.ts';
import type { Network, Signer } from '../../../src/base/ports.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import {
  CHAIN_SERVICES,
  decodeTransactionReply,
  encodeNothing,
  encodeTransactionRequest,
  SUBMIT_REPLY_LENGTH_MAX,
  TRANSACTION_REPLY_LENGTH_MAX,
} from '../../../src/shards/chain-messages.ts';
import { accountOf } from '../../../src/shards/account.ts';
import { amountIn, NATIVE } from '../../../src/shards/amounts.ts';
import { LEDGER_RULES } from '../../../src/shards/ledger.ts';
import { type Action, encodeTransaction, signTransaction } from '../../../src/shards/transaction.ts';
import type { SeededRandom } from '../random.ts';
import type { ChainChecks } from './checks.ts';
import { type Founded, ownerOf } from './founding.ts';
import type { Life } from './machine.ts';
import type { SimNode } from './node.ts';

export interface ClientPorts {
  readonly network: Network;
  readonly founded: Founded;
  readonly checks: ChainChecks;
  readonly nodes: readonly SimNode[];
  readonly tally: { add(name: string): void };
  readonly nowMs: () => number;
}

interface Sent {
  readonly id: Digest;
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly expiresAtHeight: number;
  /** The life of the node that took it last. */
  takenBy: Life | undefined;
  /** World time at which it was said last. */
  saidMs: number;
}

/** All that was signed with one nonce. */
interface Slot {
  readonly nonce: number;
  readonly sent: Sent[];
}

const SUBMIT_TIMEOUT_MS = 2_000;
const SAY_AGAIN_MS = 2_000;
/** Refusals that a transaction which can still be included may meet. */
const RETRYABLE: ReadonlySet<string> = new Set([
  'UNREACHABLE',
  'TIMEOUT',
  'BUSY',
  'FULL',
  'CLOSED',
  'ABORTED',
]);

export class Client {
  readonly owner: OwnerId;
  readonly #ports: ClientPorts;
  readonly #random: SeededRandom;
  readonly #signer: Signer;
  readonly #isPatient: boolean;
  #slots: Slot[] = [];
  #nextNonce = 0;
  /** Included ones, to be said again for nothing. */
  readonly #past: Uint8Array[] = [];

  constructor(ports: ClientPorts, signer: Signer, random: SeededRandom, isPatient: boolean) {
    this.#ports = ports;
    this.#signer = signer;
    this.#random = random;
    this.#isPatient = isPatient;
    this.owner = ownerOf(signer);
  }

  /** Nonces of which nobody has told what became. */
  get waiting(): number {
    return this.#slots.length;
  }

  /** What it still waits for, for people. */
  describe(): string {
    const [slot] = this.#slots;
    if (slot === undefined) return 'nothing';
    const ids = slot.sent.map(({ name, takenBy, expiresAtHeight }) => {
      const taken =
        takenBy === undefined ? 'taken by nobody' : takenBy.isOver ? 'taken by the dead' : 'taken';
      return `${name.slice(0, 8)} (${taken}, until ${expiresAtHeight})`;
    });
    const { nonce, balances } = accountOf(this.#ports.checks.state, this.owner);
    return `nonce ${slot.nonce} where ${nonce} is next and ${amountIn(balances, NATIVE)} there: ${ids.join(', ')}`;
  }

  /** Gives its id. */
  issue(action: Action, lifetimeBlocks: number): Digest {
    const slot: Slot = { nonce: this.#nextNonce++, sent: [] };
    this.#slots.push(slot);
    return this.#add(slot, action, lifetimeBlocks);
  }

  /** Another transaction with the newest nonce that waits; only one of the two can be included. */
  conflict(action: Action, lifetimeBlocks: number): void {
    const slot = this.#slots.at(-1);
    if (slot === undefined || slot.sent.length > 1) return;
    this.#ports.tally.add('conflicting nonce');
    this.#add(slot, action, lifetimeBlocks);
  }

  /** Says something that no node may take. */
  forge(action: Action): void {
    const { network, clients } = this.#ports.founded;
    const [kind, tally] = [this.#random.below(4), this.#ports.tally];
    if (kind === 3) {
      const bytes = this.#past.length > 0 ? this.#random.pick(this.#past) : undefined;
      if (bytes === undefined) return;
      tally.add('replayed transaction');
      void this.#hand(bytes).catch(() => undefined);
      return;
    }
    tally.add('forged transaction');
    const thief = this.#random.pick(clients.filter((each) => each !== this.#signer));
    const signer: Signer =
      kind === 0 ? { ...this.#signer, sign: (message) => thief.sign(message) } : this.#signer;
    const wrong = kind === 1 ? this.#random.bytes(32) : network;
    const { signed, bytes } = this.#signed(signer, action, this.#nextNonce, 1_000, wrong as typeof network);
    this.#ports.checks.forbidden.add(toHex(signed.id));
    if (kind === 2) bytes[this.#random.below(bytes.length)]! ^= 1 << this.#random.below(8);
    void this.#hand(bytes).then(
      () => {
        // A flipped bit may leave a transaction whose signature does not hold: never one that does.
        this.#ports.checks.fail('exactly once', `a node took a forged transaction (${kind})`);
      },
      () => undefined,
    );
  }

  /** One round: asks, forgets what is over, and says again what is not. */
  async tick(): Promise<void> {
    await this.#ask();
    this.#settle();
    for (const slot of this.#slots.slice(0, 24)) {
      for (const sent of slot.sent) {
        const isOwed = this.#isPatient && sent.takenBy?.isOver === false;
        if (!isOwed && this.#ports.nowMs() >= sent.saidMs + SAY_AGAIN_MS) void this.#submit(sent);
      }
    }
  }

  // ---- Asking --------------------------------------------------------------------------------------------------

  async #ask(): Promise<void> {
    const sent = this.#slots[0]?.sent.at(-1);
    if (sent === undefined) return;
    const { network, checks } = this.#ports;
    const header = encodeTransactionRequest({ id: sent.id, waitMs: 0 });
    const options = { timeoutMs: SUBMIT_TIMEOUT_MS, maxBodyLength: TRANSACTION_REPLY_LENGTH_MAX };
    try {
      const reply = await network.call(this.#node().nodeId, CHAIN_SERVICES.transaction, { header }, options);
      const { light } = decodeTransactionReply(reply.body, nativeSha256);
      const { height } = light.header;
      const included = checks.included.get(sent.name);
      if (height <= checks.height && included?.height !== height)
        checks.fail('exactly once', `a node says that ${sent.name} is in block ${height}`);
      this.#ports.tally.add('answered: included');
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }

  /** A nonce is over when a block has it; expired ones are signed anew, as their senders would. */
  #settle(): void {
    const { checks, tally } = this.#ports;
    while (this.#slots.length > 0) {
      const slot = this.#slots[0]!;
      const winner = slot.sent.find(({ name }) => checks.included.has(name));
      if (winner === undefined) break;
      const refusal = checks.included.get(winner.name)?.refusal;
      tally.add(refusal === undefined ? 'included' : `included and refused: ${refusal}`);
      if (slot.sent.length > 1) tally.add('superseded');
      this.#past.push(winner.bytes);
      this.#slots.shift();
    }
    for (const slot of this.#slots) {
      if (slot.sent.some(({ expiresAtHeight }) => expiresAtHeight >= checks.height)) continue;
      tally.add('expired');
      const to = this.#random.pick(this.#ports.founded.clients);
      slot.sent.length = 0;
      const parameters = { to: ownerOf(to), amounts: [[0, 1n]] };
      this.#add(slot, { kind: 'transfer', parameters }, 1_000);
    }
  }

  // ---- Saying --------------------------------------------------------------------------------------------------

  #add(slot: Slot, action: Action, lifetimeBlocks: number): Digest {
    const expiresAtHeight = this.#ports.checks.height + lifetimeBlocks;
    const { signed, bytes } = this.#signed(this.#signer, action, slot.nonce, expiresAtHeight);
    const sent: Sent = {
      id: signed.id,
      name: toHex(signed.id),
      bytes,
      expiresAtHeight,
      takenBy: undefined,
      saidMs: 0,
    };
    slot.sent.push(sent);
    void this.#submit(sent);
    return signed.id;
  }

  #signed(
    signer: Signer,
    action: Action,
    nonce: number,
    expiresAtHeight: number,
    network: Founded['network'] = this.#ports.founded.network,
  ): { readonly signed: ReturnType<typeof signTransaction>; readonly bytes: Uint8Array } {
    const { operations } = LEDGER_RULES;
    const fee = this.#ports.founded.parameters.fees.perTransaction;
    const transaction = { network, sender: this.owner, nonce, fee, expiresAtHeight, action };
    const signed = signTransaction(transaction, operations, signer, nativeSha256);
    return { signed, bytes: encodeTransaction(signed, operations) };
  }

  async #submit(sent: Sent): Promise<void> {
    const node = this.#node();
    const { life } = node.machine;
    sent.saidMs = this.#ports.nowMs();
    try {
      await this.#hand(sent.bytes, node);
      sent.takenBy = life;
      this.#ports.tally.add('taken');
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (!RETRYABLE.has(error.code)) this.#ports.tally.add(`refused: ${error.code}`);
    }
  }

  async #hand(bytes: Uint8Array, node: SimNode = this.#node()): Promise<void> {
    const options = { timeoutMs: SUBMIT_TIMEOUT_MS, maxBodyLength: SUBMIT_REPLY_LENGTH_MAX };
    const request = { header: encodeNothing(), body: [bytes] };
    await this.#ports.network.call(node.nodeId as NodeId, CHAIN_SERVICES.submit, request, options);
  }

  #node(): SimNode {
    return this.#random.pick(this.#ports.nodes);
  }
}
