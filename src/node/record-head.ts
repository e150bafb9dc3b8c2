// Whose a record is, by its first fields. A whole page takes half a second to decode and check, which a stranger could ask
// for at the price of sending it; so a node looks that the bytes are one canonical value, and reads where it says what it
// belongs to. Everything else in it is the business of whoever reads it, and is checked there.

import { equal, short } from '../base/bytes.ts';
import { scanCbor } from '../base/cbor-scan.ts';
import { encode } from '../base/codec.ts';
import { StoreError } from '../base/errors.ts';
import { DIGEST_LENGTH, type NetworkId, type ObjectId, type OwnerId } from '../base/ids.ts';
import { objectIdOf, SALT_LENGTH } from '../replication/object.ts';

// Canonical bytes have fixed places: what precedes a field of fixed length is the same in all records of a kind.
const [ID, SALT] = [new Uint8Array(DIGEST_LENGTH), new Uint8Array(SALT_LENGTH)];
const PAGE: Uint8Array = encode(['holdfast-page', ID, 0, [], []]);
const MANIFEST: Uint8Array = encode(['holdfast-manifest', ID, ID, SALT, 0, 0, 0, 0, 0]);
const ID_HEAD_LENGTH = 2;
const SALT_HEAD_LENGTH = 1;
const FIELDS_AFTER = { page: 3, manifest: 5 };
const PAGE_OBJECT_AT: number = PAGE.length - FIELDS_AFTER.page - DIGEST_LENGTH;
const SALT_AT: number = MANIFEST.length - FIELDS_AFTER.manifest - SALT_LENGTH;
const OWNER_AT: number = SALT_AT - SALT_HEAD_LENGTH - DIGEST_LENGTH;
const NETWORK_AT: number = OWNER_AT - ID_HEAD_LENGTH - DIGEST_LENGTH;

/**
 * The object that a manifest or a page says it belongs to. Throws INVALID_ENCODING for anything else, and WRONG_NETWORK for a
 * manifest of another one.
 */
export function objectOfRecord(record: Uint8Array, network: NetworkId): ObjectId {
  const isPage = beginsLike(record, PAGE, [PAGE_OBJECT_AT]);
  if (!isPage && !isManifest(record)) {
    throw new StoreError('INVALID_ENCODING', 'the record is neither a manifest nor a page of one');
  }
  const refusal = scanCbor(record);
  if (refusal !== undefined) {
    throw new StoreError('INVALID_ENCODING', `the record is not canonical: ${refusal}`);
  }
  if (isPage) return idAt(record, PAGE_OBJECT_AT) as ObjectId;
  const named = idAt(record, NETWORK_AT) as NetworkId;
  if (!equal(named, network)) {
    throw new StoreError('WRONG_NETWORK', `the manifest belongs to network ${short(named)}`);
  }
  const salt = record.slice(SALT_AT, SALT_AT + SALT_LENGTH);
  return objectIdOf(network, idAt(record, OWNER_AT) as OwnerId, salt);
}

/** True when a record whose object is known is the manifest of a public object; pages say nothing of it. */
export function isPublicManifest(record: Uint8Array): boolean {
  if (!isManifest(record)) return false;
  // After the salt: the length, a pair of numbers, the cells of a segment, and no key check.
  const codeAt = afterNumber(record, SALT_AT + SALT_LENGTH);
  if (record[codeAt] !== PAIR) return false;
  const cellsAt = afterNumber(record, afterNumber(record, codeAt + 1));
  return record[afterNumber(record, cellsAt)] === NULL;
}

const PAIR = 0x82;
const NULL = 0xf6;

/** Where the value after an unsigned integer begins; anything else counts as one of a single byte. */
function afterNumber(record: Uint8Array, at: number): number {
  const first = record[at] ?? 0;
  return at + 1 + (first >= 24 && first <= 27 ? 2 ** (first - 24) : 0);
}

function isManifest(record: Uint8Array): boolean {
  return beginsLike(record, MANIFEST, [NETWORK_AT, OWNER_AT, SALT_AT]);
}

/** True when `record` has the bytes of `sample` up to the last of the fields that begin at these places, but for the fields. */
function beginsLike(record: Uint8Array, sample: Uint8Array, fields: readonly number[]): boolean {
  let from = 0;
  for (const at of fields) {
    if (!equal(record.subarray(from, at), sample.subarray(from, at))) return false;
    from = at + (at === SALT_AT ? SALT_LENGTH : DIGEST_LENGTH);
  }
  return record.length >= from;
}

function idAt(record: Uint8Array, at: number): Uint8Array {
  return record.slice(at, at + DIGEST_LENGTH);
}
