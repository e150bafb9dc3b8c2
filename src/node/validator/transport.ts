// Frames between validators over the Network port: every validator speaks to every other directly. A message by itself is told,
// because nobody needs an answer to a vote; one with its block beside it is a call, whose body the receiver admits first.
//
// What comes in passes the bounds of a service, then: is the sender a validator, is it a message, may a block be beside it. What
// fails is refused with a typed error and counted. Signatures are checked by the host, per message, whoever passed it on.
// What is asked for (a block, a decision) is answered out of what the application holds.

import { short, toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import { DIGEST_LENGTH, type NodeId } from '../../base/ids.ts';
import {
  BLOCK_LENGTH_MAX,
  BLOCK_TRANSFER_MS,
  CONSENSUS_MESSAGE_LENGTH_MAX,
  VALIDATOR_BLOCKS_CONCURRENCY,
  VALIDATOR_BLOCKS_PER_SECOND,
  VALIDATOR_MESSAGES_PER_SECOND,
} from '../../base/limits.ts';
import type { Clock, Network, ServedReply, Service } from '../../base/ports.ts';
import { Reader, Writer } from '../../consensus/binary.ts';
import { decodeMessage, encodeMessage } from '../../consensus/messages.ts';
import type { BlockId, Message, ValidatorIndex, ValidatorSet } from '../../consensus/types.ts';
import { indexOf } from '../../consensus/validator-set.ts';
import type { Decision, TransportPort } from './host-ports.ts';
import { Outbox, type OutboxCounts, type OutgoingFrame } from './outbox.ts';

export const MESSAGE_SERVICE = 'consensus-message';
export const BLOCK_SERVICE = 'consensus-block';
const FETCH_SERVICE = 'consensus-fetch';
const DECISION_SERVICE = 'consensus-decision';

export interface TransportOptions {
  readonly network: Network;
  readonly clock: Clock;
  /** Who votes at a height; undefined where that is not known (yet, or any more). */
  readonly validatorsAt: (height: number) => ValidatorSet | undefined;
  readonly receive: (from: NodeId, message: Message, block?: Uint8Array) => void;
  /** A block of the height that this validator made or found valid. */
  readonly held: (height: number, blockId: BlockId) => Promise<Uint8Array | undefined>;
  readonly decision: (height: number) => Promise<Decision | undefined>;
}

export interface TransportCounts extends OutboxCounts {
  /** Frames and their bytes, message and block, by kind of message. */
  readonly sentByKind: Record<Message['kind'], number>;
  sentBytes: number;
  received: number;
  receivedBytes: number;
  /** Frames that were none, and senders that are no validators. */
  malformed: number;
  strangers: number;
}

interface Peer {
  readonly node: NodeId;
  readonly messages: Outbox;
  readonly blocks: Outbox;
}

const EMPTY = new Uint8Array(0);

export class ValidatorTransport implements TransportPort {
  readonly counts: TransportCounts = freshCounts();
  readonly #options: TransportOptions;
  readonly #selfKey: string;
  readonly #peers = new Map<string, Peer>();
  readonly #stop = new AbortController();
  /** The set that `#peers` were last compared with. */
  #set: ValidatorSet | undefined;
  #fetchCount = 0;

  /** Begins to serve at once. */
  constructor(options: TransportOptions) {
    this.#options = options;
    this.#selfKey = toHex(options.network.self);
    for (const service of this.#services()) options.network.serve(service);
  }

  // ---- Out -----------------------------------------------------------------------------------------------------

  broadcast(message: Message, block: Uint8Array | undefined): void {
    const set = this.#options.validatorsAt(message.height);
    if (set === undefined) return;
    this.#forgetOthers(set);
    const frame: OutgoingFrame = { message, header: encodeMessage(message), block };
    for (const { node } of set.validators) this.#push(node, frame);
  }

  send(to: ValidatorIndex, message: Message, block: Uint8Array | undefined): void {
    const node = this.#options.validatorsAt(message.height)?.validators[to]?.node;
    if (node !== undefined) this.#push(node, { message, header: encodeMessage(message), block });
  }

  /** Asks `holders`, one after the other; `done` gets the first block, or undefined when none of them gave one. */
  async fetchBlock(
    height: number,
    blockId: BlockId,
    holders: readonly ValidatorIndex[],
    done: (block: Uint8Array | undefined) => void,
  ): Promise<void> {
    const set = this.#options.validatorsAt(height);
    const writer = new Writer(8 + DIGEST_LENGTH);
    writer.uint64(height);
    writer.digest(blockId);
    const header = writer.finish();
    const first = this.#fetchCount++;
    for (let turn = 0; turn < holders.length && !this.#stop.signal.aborted; turn++) {
      const node = set?.validators[holders[(first + turn) % holders.length]!]?.node;
      if (node === undefined || toHex(node) === this.#selfKey) continue;
      const reply = await this.#ask(node, FETCH_SERVICE, header);
      if (reply !== undefined) {
        done(reply.body);
        return;
      }
    }
    done(undefined);
  }

  /** The certificate is no more than what `node` says: to be judged like any message. */
  async fetchDecision(node: NodeId, height: number): Promise<Decision | undefined> {
    const writer = new Writer(8);
    writer.uint64(height);
    const reply = await this.#ask(node, DECISION_SERVICE, writer.finish());
    if (reply === undefined) return undefined;
    try {
      const certificate = decodeMessage(reply.header);
      const isIt = certificate.kind === 'commit-certificate' && certificate.height === height;
      return isIt ? { certificate, block: reply.body } : undefined;
    } catch {
      this.counts.malformed += 1;
      return undefined;
    }
  }

  stop(): void {
    this.#stop.abort(new StoreError('CLOSED', 'the validator has stopped'));
    for (const peer of this.#peers.values()) this.#close(peer);
    this.#peers.clear();
  }

  async #ask(
    node: NodeId,
    service: string,
    header: Uint8Array,
  ): Promise<{ readonly header: Uint8Array; readonly body: Uint8Array } | undefined> {
    const { signal } = this.#stop;
    const options = { signal, timeoutMs: BLOCK_TRANSFER_MS, maxBodyLength: BLOCK_LENGTH_MAX };
    return await this.#options.network.call(node, service, { header }, options).catch(() => undefined);
  }

  #push(node: NodeId, frame: OutgoingFrame): void {
    const key = toHex(node);
    if (key === this.#selfKey || this.#stop.signal.aborted) return;
    let peer = this.#peers.get(key);
    if (peer === undefined) {
      peer = this.#peerOf(node);
      this.#peers.set(key, peer);
    }
    (frame.block === undefined ? peer.messages : peer.blocks).push(frame);
  }

  #peerOf(node: NodeId): Peer {
    const { network, clock } = this.#options;
    const { signal } = this.#stop;
    const tell = async (frame: OutgoingFrame): Promise<void> => {
      await network.tell(node, MESSAGE_SERVICE, frame.header, signal);
      this.#countSent(frame);
    };
    const call = async (frame: OutgoingFrame): Promise<void> => {
      const request = { header: frame.header, body: [frame.block ?? EMPTY] };
      await network.call(node, BLOCK_SERVICE, request, { signal, timeoutMs: BLOCK_TRANSFER_MS });
      this.#countSent(frame);
    };
    return {
      node,
      messages: new Outbox(tell, clock, this.counts),
      blocks: new Outbox(call, clock, this.counts),
    };
  }

  #countSent({ message, header, block }: OutgoingFrame): void {
    this.counts.sentByKind[message.kind] += 1;
    this.counts.sentBytes += header.length + (block?.length ?? 0);
  }

  /** Whoever left the set is not kept in mind. */
  #forgetOthers(set: ValidatorSet): void {
    if (set === this.#set) return;
    this.#set = set;
    for (const [key, peer] of this.#peers) {
      if (indexOf(set, peer.node) !== undefined) continue;
      this.#close(peer);
      this.#peers.delete(key);
    }
  }

  #close(peer: Peer): void {
    peer.messages.stop();
    peer.blocks.stop();
  }

  // ---- In ------------------------------------------------------------------------------------------------------

  #services(): readonly Service[] {
    const bounds = { timeoutMs: BLOCK_TRANSFER_MS, maxBodyLength: 0 };
    const blocks = {
      ...bounds,
      maxConcurrentPerPeer: VALIDATOR_BLOCKS_CONCURRENCY,
      maxPerSecondPerPeer: VALIDATOR_BLOCKS_PER_SECOND,
    };
    const maxHeaderLength = CONSENSUS_MESSAGE_LENGTH_MAX;
    return [
      {
        ...bounds,
        name: MESSAGE_SERVICE,
        maxHeaderLength,
        // They are at work for a microtask: what a burst brings at once.
        maxConcurrentPerPeer: VALIDATOR_MESSAGES_PER_SECOND,
        maxPerSecondPerPeer: VALIDATOR_MESSAGES_PER_SECOND,
        handle: async (from, header) => this.#onMessage(from, this.#decoded(from, header)),
      },
      {
        ...blocks,
        name: BLOCK_SERVICE,
        maxHeaderLength,
        maxBodyLength: BLOCK_LENGTH_MAX,
        admit: (from, header) => this.#admitBlock(from, this.#decoded(from, header)),
        handle: async (from, header, body) => this.#onMessage(from, decodeMessage(header), body),
      },
      {
        ...blocks,
        name: FETCH_SERVICE,
        maxHeaderLength: 8 + DIGEST_LENGTH,
        handle: (from, header) => this.#onFetch(from, header),
      },
      {
        ...blocks,
        name: DECISION_SERVICE,
        maxHeaderLength: 8,
        handle: (from, header) => this.#onAskedDecision(from, header),
      },
    ];
  }

  /** Throws INVALID_ENCODING, UNAUTHORIZED, CLOSED. */
  #decoded(from: NodeId, header: Uint8Array): Message {
    if (this.#stop.signal.aborted) throw this.#stop.signal.reason as StoreError;
    let message: Message;
    try {
      message = decodeMessage(header);
    } catch (error) {
      this.counts.malformed += 1;
      throw error;
    }
    const set = this.#options.validatorsAt(message.height);
    // Of a height whose set is not known here the host makes no use, and who is behind learns by it that he is.
    if (set !== undefined && indexOf(set, from) === undefined)
      throw this.#strangerError(from, message.height);
    return message;
  }

  #onMessage(from: NodeId, message: Message, block?: Uint8Array): ServedReply {
    this.counts.received += 1;
    this.counts.receivedBytes += block?.length ?? 0;
    this.#options.receive(from, message, block);
    return { header: EMPTY };
  }

  /** A block that is held already need not come again: its message is taken, its bytes are not. */
  async #admitBlock(from: NodeId, message: Message): Promise<void> {
    if (message.kind !== 'proposal' && message.kind !== 'commit-certificate') {
      this.counts.malformed += 1;
      throw new StoreError('PROTOCOL', `no block travels with a ${message.kind}`);
    }
    if ((await this.#options.held(message.height, message.blockId)) === undefined) return;
    this.#onMessage(from, message);
    throw new StoreError('ALREADY_EXISTS', `block ${message.blockId.slice(0, 8)} is here`);
  }

  async #onFetch(from: NodeId, header: Uint8Array): Promise<ServedReply> {
    const reader = new Reader(header, FETCH_SERVICE);
    const height = reader.uint64();
    const blockId = reader.digest() as BlockId;
    reader.end();
    this.#checkMember(from, height);
    const block = await this.#options.held(height, blockId);
    if (block === undefined) throw new StoreError('NOT_FOUND', `no block ${blockId.slice(0, 8)} here`);
    return { header: EMPTY, body: [block] };
  }

  async #onAskedDecision(from: NodeId, header: Uint8Array): Promise<ServedReply> {
    const reader = new Reader(header, DECISION_SERVICE);
    const height = reader.uint64();
    reader.end();
    this.#checkMember(from, height);
    const decision = await this.#options.decision(height);
    if (decision === undefined) throw new StoreError('NOT_FOUND', `no decision of height ${height} here`);
    return { header: encodeMessage(decision.certificate), body: [decision.block] };
  }

  #checkMember(from: NodeId, height: number): void {
    if (this.#stop.signal.aborted) throw this.#stop.signal.reason as StoreError;
    const set = this.#options.validatorsAt(height);
    if (set === undefined) throw new StoreError('NOT_FOUND', `height ${height} is not known here`);
    if (indexOf(set, from) === undefined) throw this.#strangerError(from, height);
  }

  #strangerError(from: NodeId, height: number): StoreError {
    this.counts.strangers += 1;
    return new StoreError('UNAUTHORIZED', `node ${short(from)} is no validator of height ${height}`);
  }
}

function freshCounts(): TransportCounts {
  return {
    sent: 0,
    superseded: 0,
    lost: 0,
    refused: 0,
    sentByKind: {
      proposal: 0,
      prevote: 0,
      precommit: 0,
      'polka-certificate': 0,
      'commit-certificate': 0,
      'round-certificate': 0,
    },
    sentBytes: 0,
    received: 0,
    receivedBytes: 0,
    malformed: 0,
    strangers: 0,
  };
}
