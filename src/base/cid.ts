// Content identifiers, as the rest of the world writes them: CIDv1 of a record (dag-cbor, sha2-256) and of a
// piece (raw bytes, BLAKE3). Inside, a digest of 32 bytes is enough; CIDs are for borders: URIs, links
// between records, tools of others. Only one text form per CID is accepted, so that two URIs that differ name
// two things.

import { CID } from 'multiformats/cid';
import { create as createMultihash } from 'multiformats/hashes/digest';
import { assert } from './assert.ts';
import { StoreError } from './errors.ts';
import { portableSha256, type Sha256 } from './hash.ts';
import { DIGEST_LENGTH, type Digest } from './ids.ts';

export type { CID } from 'multiformats/cid';

// Codes of the multicodec table.
const DAG_CBOR = 0x71;
const RAW = 0x55;
const SHA2_256 = 0x12;
const BLAKE3 = 0x1e;

/**
 * Multibase letter of lower-case base32, then 36 bytes (version, codec, hash, length, digest) at five bits a
 * letter.
 */
const RECORD_TEXT = /^b[a-z2-7]{58}$/;

/** CID of the record whose canonical encoding is `bytes`. */
export function cidOf(bytes: Uint8Array, sha256: Sha256 = portableSha256): CID {
  return cidOfDigest(sha256(bytes));
}

/** CID of the record whose canonical encoding has this SHA-256 digest. */
export function cidOfDigest(digest: Uint8Array): CID {
  return makeCid(DAG_CBOR, SHA2_256, digest);
}

/**
 * CID of the piece with this root: a plain BLAKE3 digest, so any tool that knows BLAKE3 can check the piece
 * against it.
 */
export function cidOfPiece(pieceRoot: Uint8Array): CID {
  return makeCid(RAW, BLAKE3, pieceRoot);
}

/** SHA-256 digest of the record that `cid` names. Throws INVALID_URI when it does not name a record. */
export function digestOfCid(cid: CID): Digest {
  const isRecord = cid.version === 1 && cid.code === DAG_CBOR && cid.multihash.code === SHA2_256;
  if (!isRecord || cid.multihash.digest.length !== DIGEST_LENGTH) throw invalid();
  return cid.multihash.digest as Uint8Array as Digest;
}

/** 59 letters of lower-case base32. */
export function cidToText(cid: CID): string {
  return cid.toString();
}

/** The record's CID that `text` spells. Throws INVALID_URI on anything but its one canonical form. */
export function parseCid(text: string): CID {
  if (!RECORD_TEXT.test(text)) throw invalid();
  let cid: CID;
  try {
    cid = CID.parse(text);
  } catch (error) {
    throw invalid(error);
  }
  digestOfCid(cid);
  if (cid.toString() !== text) throw invalid();
  return cid;
}

function makeCid(codec: number, hash: number, digest: Uint8Array): CID {
  assert(digest.length === DIGEST_LENGTH, 'a CID is made of a 32-byte digest');
  return CID.createV1(codec, createMultihash(hash, digest));
}

function invalid(cause?: unknown): StoreError {
  return new StoreError('INVALID_URI', 'not the content identifier of a record', {
    cause,
    next: 'Copy the URI again, whole, as store put printed it.',
  });
}
