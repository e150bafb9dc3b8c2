// The name a person keeps: `store://CID#NETWORK8.KEY`. The CID names the manifest, so nobody can answer with another
// object; the fragment, which no server is ever sent, holds the first eight hex digits of the network id and the
// content key. A public object has no key. One object and key have one text form; everything else is refused.

import { short } from '../base/bytes.ts';
import { cidOfDigest, cidToText, digestOfCid, parseCid } from '../base/cid.ts';
import { StoreError } from '../base/errors.ts';
import type { ContentKey, Digest, NetworkId } from '../base/ids.ts';

export interface ObjectUri {
  readonly cid: string;
  /** SHA-256 of the manifest. */
  readonly digest: Digest;
  /** First eight hex digits of the network id. */
  readonly network: string;
  /** Undefined for public objects, and where the key was left out: enough to stat and remove. */
  readonly key: ContentKey | undefined;
}

const SCHEME = 'store://';
const EXAMPLE = 'store://bafyrei...#1a2b3c4d.Zm9v...';
const NEXT = `Copy the URI again, whole, as "store put" printed it: ${EXAMPLE}`;
/** A URI has 59 + 8 + 43 characters and punctuation; longer text is not looked at. */
const TEXT_LENGTH_MAX = 256;
const KEY_TEXT = /^[A-Za-z0-9_-]{43}$/;

export function formatUri(manifest: Digest, network: NetworkId, key: ContentKey | undefined): string {
  const cid = cidToText(cidOfDigest(manifest));
  const secret = key === undefined ? '' : `.${Buffer.from(key).toString('base64url')}`;
  return `${SCHEME}${cid}#${short(network)}${secret}`;
}

/** Throws INVALID_URI saying what is wrong, and WRONG_NETWORK when the URI belongs to another network than `network`. */
export function parseUri(text: string, network: NetworkId): ObjectUri {
  const uri = splitUri(text);
  if (uri.network !== short(network)) {
    throw new StoreError(
      'WRONG_NETWORK',
      `the object is in network ${uri.network}, this store is in network ${short(network)}`,
      { next: `Join network ${uri.network} first, or point HOLDFAST_HOME at the home that did.` },
    );
  }
  return uri;
}

/** The parts of a URI of any network. Throws INVALID_URI. */
export function splitUri(text: string): ObjectUri {
  if (typeof text !== 'string') throw invalid('a URI is text');
  if (!text.startsWith(SCHEME)) throw invalid(`it does not start with ${SCHEME}`);
  if (text.length > TEXT_LENGTH_MAX) throw invalid('it is too long');
  const hash = text.indexOf('#');
  if (hash < 0) throw invalid('the part after # is missing: the network and the key stand there');
  const cid = text.slice(SCHEME.length, hash);
  const digest = digestOfCid(parseCid(cid));
  const [network, ...rest] = text.slice(hash + 1).split('.');
  if (!/^[0-9a-f]{8}$/.test(network!)) {
    throw invalid('after # must stand eight hex digits of the network id');
  }
  if (rest.length > 1) throw invalid('there is more than one dot after #');
  return { cid, digest, network: network!, key: rest.length === 0 ? undefined : parseKey(rest[0]!) };
}

function parseKey(text: string): ContentKey {
  if (!KEY_TEXT.test(text)) throw invalid('the key is not 43 characters of base64url');
  const key = new Uint8Array(Buffer.from(text, 'base64url'));
  // 43 characters hold 258 bits: the last two must be zero, or two texts would spell one key.
  if (Buffer.from(key).toString('base64url') !== text) throw invalid('the last character of the key is off');
  return key as ContentKey;
}

function invalid(reason: string): StoreError {
  return new StoreError('INVALID_URI', `not a URI of an object: ${reason}`, { next: NEXT });
}
