// Blocks that were decided, by height, each with its certificate; where every transaction is; and candidates: blocks that are valid here
// and may be decided yet. A block and the index of its transactions go together.

import { toHex } from '../../base/bytes.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { Digest } from '../../base/ids.ts';
import { PRUNE_BLOCKS_PER_STEP } from '../../base/limits.ts';
import type { KeyValueOperation } from '../../base/ports.ts';
import { Reader, Writer } from '../../consensus/binary.ts';
import { decodeMessage, encodeMessage } from '../../consensus/messages.ts';
import type { CommitCertificate } from '../../consensus/types.ts';
import type { LocalKeyValue } from '../../runtime/key-value.ts';
import { decodeBlock, type Kinds } from '../../shards/block.ts';
import { REFUSALS } from '../../shards/operation.ts';
import type { Outcome } from '../../shards/session.ts';
import { damaged } from './kept-state.ts';
import { chainKey, heightRange, readHeightKey } from './store-keys.ts';
import type { Decided, Decision, TransactionPlace } from './types.ts';

export class BlockStore {
  readonly #keyValue: LocalKeyValue;
  readonly #kinds: Kinds;
  readonly #sha256: Sha256;
  /** Keys of all candidates, with their heights: blocks are not read to find those that are over. */
  readonly #candidates = new Map<string, { readonly height: number; readonly key: Uint8Array }>();

  private constructor(keyValue: LocalKeyValue, kinds: Kinds, sha256: Sha256) {
    this.#keyValue = keyValue;
    this.#kinds = kinds;
    this.#sha256 = sha256;
  }

  static async open(keyValue: LocalKeyValue, kinds: Kinds, sha256: Sha256): Promise<BlockStore> {
    const store = new BlockStore(keyValue, kinds, sha256);
    const { from, to } = heightRange('candidate', 0, Number.MAX_SAFE_INTEGER);
    for await (const [key] of keyValue.range(from, to)) {
      store.#candidates.set(toHex(key), { height: readHeightKey(key).height, key });
    }
    return store;
  }

  // ---- Decided -----------------------------------------------------------------------------------------------

  /** What keeps a decision; candidates up to its height are over. */
  operations({ block, certificate }: Decided, outcomes: readonly Outcome[]): KeyValueOperation[] {
    const { height } = block.header;
    const over = [...this.#candidates.values()].filter((candidate) => candidate.height <= height);
    return [
      { kind: 'put', key: chainKey('block', height), value: block.bytes },
      { kind: 'put', key: chainKey('certificate', height), value: encodeMessage(certificate) },
      ...outcomes
        .filter((outcome) => outcome.kind === 'transaction')
        .map(({ id, refusal }, index) => putPlace(id, { height, index, refusal })),
      ...over.map(({ key }) => ({ kind: 'delete' as const, key })),
    ];
  }

  /** After the operations of `height` were written. */
  remember(height: number): void {
    for (const [text, candidate] of this.#candidates) {
      if (candidate.height <= height) this.#candidates.delete(text);
    }
  }

  async decision(height: number): Promise<Decision | undefined> {
    const [block, certificate] = await this.#keyValue.getMany([
      chainKey('block', height),
      chainKey('certificate', height),
    ]);
    if (block === undefined) return undefined;
    if (certificate === undefined) throw damaged(`block ${height} has no certificate`);
    return { block, certificate: decodeCertificate(certificate, height) };
  }

  async transaction(id: Digest): Promise<TransactionPlace | undefined> {
    const bytes = await this.#keyValue.get(chainKey('transaction', undefined, id));
    return bytes === undefined ? undefined : decodePlace(bytes);
  }

  // ---- Candidates --------------------------------------------------------------------------------------------

  async keepCandidate(height: number, id: Digest, block: Uint8Array): Promise<void> {
    const key = chainKey('candidate', height, id);
    this.#candidates.set(toHex(key), { height, key });
    await this.#keyValue.batch([{ kind: 'put', key, value: block }], { isDurable: true });
  }

  candidate(height: number, id: Digest): Promise<Uint8Array | undefined> {
    return this.#keyValue.get(chainKey('candidate', height, id));
  }

  // ---- Pruning -----------------------------------------------------------------------------------------------

  /** Deletes some of the blocks below `oldest`, the lowest first, with all that belongs to them. False: there are no more. */
  async pruneStep(oldest: number): Promise<boolean> {
    const { from, to } = heightRange('block', 0, oldest);
    const keys: Uint8Array[] = [];
    let blocks = 0;
    for await (const [key, bytes] of this.#keyValue.range(from, to, PRUNE_BLOCKS_PER_STEP)) {
      const { height } = readHeightKey(key);
      keys.push(key, chainKey('certificate', height), ...(await this.#placesOf(height, bytes)));
      blocks++;
    }
    if (keys.length > 0) await this.#keyValue.batch(keys.map((key) => ({ kind: 'delete', key })));
    return blocks === PRUNE_BLOCKS_PER_STEP;
  }

  /** Keys of the places of a block's transactions. */
  async #placesOf(height: number, bytes: Uint8Array): Promise<Uint8Array[]> {
    const { body } = decodeBlock(bytes, this.#kinds, this.#sha256);
    const keys = body.transactions.map(({ id }) => chainKey('transaction', undefined, id));
    const places = await this.#keyValue.getMany(keys);
    return keys.filter((_, index) => {
      const place = places[index];
      return place !== undefined && decodePlace(place).height === height;
    });
  }
}

/** Certificate of a decision, as it is stored. */
export function decodeCertificate(bytes: Uint8Array, height: number): CommitCertificate {
  const message = decodeMessage(bytes);
  if (message.kind !== 'commit-certificate' || message.height !== height) {
    throw damaged(`what is stored as the certificate of height ${height} is none`);
  }
  return message;
}

/** u64 height, u32 index, u8 0 or one more than the place of the refusal in its list. */
const PLACE_LENGTH = 13;

function putPlace(id: Digest, { height, index, refusal }: TransactionPlace): KeyValueOperation {
  const writer = new Writer(PLACE_LENGTH);
  writer.uint64(height);
  writer.uint32(index);
  writer.uint8(refusal === undefined ? 0 : 1 + REFUSALS.indexOf(refusal));
  return { kind: 'put', key: chainKey('transaction', undefined, id), value: writer.finish() };
}

function decodePlace(bytes: Uint8Array): TransactionPlace {
  const reader = new Reader(bytes, 'place of a transaction');
  const height = reader.uint64();
  const index = reader.uint32();
  const code = reader.uint8();
  reader.end();
  if (code > REFUSALS.length) throw reader.refusal('its refusal is unknown');
  return { height, index, refusal: code === 0 ? undefined : REFUSALS[code - 1] };
}
