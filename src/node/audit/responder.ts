// Answers auditors: opens what this node has of what the round asks of it, and admits what it lacks. It answers those who have seats in the group that
// it is audited in, and only what the draw asks: so nobody makes it read, or sign, anything else.
//
// The same leaves are asked for by every auditor, so what was opened for one is kept for the others while the round lasts.

import { equal, short } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { Digest, NetworkId, NodeId, PieceRoot } from '../../base/ids.ts';
import {
  AUDIT_OPENED_LENGTH_MAX,
  AUDIT_PART_LENGTH_MAX,
  AUDIT_TIMEOUT_MS,
  GROUP_LENGTH,
  LEAF_LENGTH,
  MANIFEST_LENGTH_MAX,
  OPENING_HEAD_LENGTH_MAX,
  SERVICE_HEADER_LENGTH_MAX,
} from '../../base/limits.ts';
import type { PieceLog, ServedReply, Service, Signer } from '../../base/ports.ts';
import type { Asked } from '../../proofs/draw.ts';
import { type Hashes, openCopy, type Opening, openLeaf } from '../../proofs/opening.ts';
import { isCopy, type Place } from '../../proofs/place.ts';
import { RECEIPT_LENGTH_MAX } from '../../proofs/receipt.ts';
import {
  answerLength,
  AUDIT_SERVICES,
  decodeRequest,
  encodeResponse,
  signResponse,
} from '../../proofs/response.ts';
import { decodePieceMeta, pieceKey, recordKey } from '../entry-keys.ts';
import { EMPTY_HEADER } from '../keeper-ports.ts';
import type { RecordSource } from '../chain/settle.ts';
import { contentsOf, type HeldContent, placeText } from './contents.ts';
import type { Receipts } from './receipts.ts';
import { isAuditorOf, type RoundWatcher, type WatchedRound } from './round-watcher.ts';

export interface ResponderPorts {
  readonly network: NetworkId;
  readonly signer: Signer;
  readonly log: Pick<PieceLog, 'read' | 'stat'>;
  readonly chain: RecordSource;
  readonly watcher: Pick<RoundWatcher, 'round' | 'rounds'>;
  readonly receipts: Pick<Receipts, 'take'>;
  readonly hashes: Hashes;
  /** Told of every place that this node should have and has not. */
  readonly onLacking?: (place: Place) => void;
}

const BOUNDS = {
  maxHeaderLength: SERVICE_HEADER_LENGTH_MAX,
  timeoutMs: AUDIT_TIMEOUT_MS,
  maxConcurrentPerPeer: 2,
  maxPerSecondPerPeer: 20,
} as const;

/** An auditor gives one after each time that it asks. */
const RECEIPTS_PER_SECOND = 4;

export function auditServices(ports: ResponderPorts): readonly Service[] {
  const responder = new Responder(ports);
  return [
    {
      ...BOUNDS,
      name: AUDIT_SERVICES.audit,
      maxBodyLength: 0,
      admit: async (from) => checkAuditorNow(ports, from),
      handle: (from, header, _body, signal) => responder.answer(from, header, signal),
    },
    {
      ...BOUNDS,
      name: AUDIT_SERVICES.receipt,
      maxBodyLength: RECEIPT_LENGTH_MAX,
      maxConcurrentPerPeer: 1,
      maxPerSecondPerPeer: RECEIPTS_PER_SECOND,
      admit: async (from) => checkAuditorNow(ports, from),
      handle: (from, _header, body) => {
        ports.receipts.take(from, body.slice());
        return Promise.resolve({ header: EMPTY_HEADER });
      },
    },
  ];
}

class Responder {
  readonly #ports: ResponderPorts;
  /** What was opened in the round, by place and leaf, as long as it is little. */
  readonly #opened = new Map<string, Opening>();
  #openedLength = 0;
  #round = 0;

  constructor(ports: ResponderPorts) {
    this.#ports = ports;
  }

  async answer(from: NodeId, header: Uint8Array, signal: AbortSignal): Promise<ServedReply> {
    const { round: number, seed, asked } = decodeRequest(header);
    const watched = this.#ports.watcher.round(number);
    if (watched === undefined) {
      throw new StoreError('NOT_FOUND', `audit round ${number} is not one that this node takes part in`);
    }
    checkAuditor(watched, from);
    if (!equal(seed, watched.round.seed)) {
      throw new StoreError('INVALID_ARGUMENT', `audit round ${number} has another seed`);
    }
    checkAsked(watched, asked);
    this.#begin(number);
    const { network, signer, hashes } = this.#ports;
    const { openings, lacking } = await this.#open(asked, signal);
    const context = { network, round: number, seed, node: signer.publicKey as NodeId };
    const body = encodeResponse(signResponse(context, openings, lacking, signer, hashes));
    return { header: EMPTY_HEADER, body: [body] };
  }

  #begin(round: number): void {
    if (round <= this.#round) return;
    this.#round = round;
    this.#opened.clear();
    this.#openedLength = 0;
  }

  /**
   * What the chain does not say of this node any more is left out, as is what the disk does not give now, and what an answer has no room for:
   * who asks for more copies than fit one gets the first.
   */
  async #open(
    asked: readonly Asked[],
    signal: AbortSignal,
  ): Promise<{ readonly openings: readonly Opening[]; readonly lacking: readonly Lacking[] }> {
    const { chain, signer } = this.#ports;
    const contents = await contentsOf(
      chain,
      asked.map(({ place }) => place),
    );
    const openings: Opening[] = [];
    const lacking = new Map<string, Lacking>();
    let room = AUDIT_PART_LENGTH_MAX - OPENING_HEAD_LENGTH_MAX;
    for (const each of asked) {
      signal.throwIfAborted();
      const content = contents.at(each.place);
      if (content === undefined || !equal(content.holder, signer.publicKey)) continue;
      room -= answerLength(each.place, contents.of);
      if (room < 0) break;
      const text = placeText(each.place);
      if (lacking.has(text)) continue;
      const opening = await this.#openOne(each, content);
      if (opening === 'lacking') lacking.set(text, { place: each.place, root: content.root });
      else if (opening !== undefined) openings.push(opening);
    }
    for (const { place } of lacking.values()) this.#ports.onLacking?.(place);
    // A place is shown or admitted, not both.
    return {
      openings: openings.filter(({ place }) => !lacking.has(placeText(place))),
      lacking: [...lacking.values()],
    };
  }

  async #openOne(asked: Asked, content: HeldContent): Promise<Opening | 'lacking' | undefined> {
    const key = `${placeText(asked.place)}/${asked.leafIndex}`;
    const known = this.#opened.get(key);
    if (known !== undefined) return known;
    try {
      const opening = isCopy(asked.place)
        ? await this.#copy(asked, content)
        : await this.#leaf(asked, content);
      if (opening !== 'lacking') this.#keep(key, opening);
      return opening;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      return LOST.has(error.code) ? 'lacking' : undefined;
    }
  }

  #keep(key: string, opening: Opening): void {
    if (this.#openedLength + opening.bytes.length > AUDIT_OPENED_LENGTH_MAX) return;
    this.#opened.set(key, opening);
    this.#openedLength += opening.bytes.length;
  }

  async #leaf({ place, leafIndex }: Asked, { root }: HeldContent): Promise<Opening | 'lacking'> {
    const { log, hashes } = this.#ports;
    const key = pieceKey({ ...place, root: root as PieceRoot });
    const stat = await log.stat(key);
    if (stat === undefined) return 'lacking';
    const from = Math.floor((leafIndex * LEAF_LENGTH) / GROUP_LENGTH) * GROUP_LENGTH;
    const group = await log.read(key, from, Math.min(GROUP_LENGTH, stat.payloadLength - from));
    const { outboard } = decodePieceMeta(stat.meta);
    return openLeaf({ place, leafIndex }, group, outboard, stat.payloadLength, hashes.hasher);
  }

  async #copy({ place }: Asked, { root }: HeldContent): Promise<Opening | 'lacking'> {
    const { log, hashes } = this.#ports;
    const key = recordKey(root as Digest);
    const stat = await log.stat(key);
    if (stat === undefined || stat.payloadLength > MANIFEST_LENGTH_MAX) return 'lacking';
    const record = await log.read(key, 0, stat.payloadLength);
    return equal(hashes.sha256(record), root) ? openCopy(place, record) : 'lacking';
  }
}

interface Lacking {
  readonly place: Asked['place'];
  readonly root: Uint8Array;
}

/** Codes that say the bytes are gone; others say that they cannot be read now. */
const LOST: ReadonlySet<string> = new Set(['DAMAGED', 'NOT_FOUND', 'INVALID_ENCODING', 'INVALID_ARGUMENT']);

/** Before anything of the request is read. */
function checkAuditorNow({ watcher }: ResponderPorts, from: NodeId): void {
  if (watcher.rounds.some((watched) => isAuditorOf(watched, from))) return;
  throw new StoreError('UNAUTHORIZED', `node ${short(from)} does not audit this node now`);
}

function checkAuditor(watched: WatchedRound, from: NodeId): void {
  if (isAuditorOf(watched, from)) return;
  throw new StoreError('UNAUTHORIZED', `node ${short(from)} does not audit this node in this round`);
}

function checkAsked({ own }: WatchedRound, asked: readonly Asked[]): void {
  const texts = new Set(own.asked.map(askedText));
  if (asked.every((each) => texts.has(askedText(each)))) return;
  throw new StoreError('INVALID_ARGUMENT', 'the round does not ask that of this node');
}

const askedText = ({ place, leafIndex }: Asked): string => `${placeText(place)}/${leafIndex}`;
