// How keys become the byte strings of a bucket's directory and back, and which of those a listing asks for. In a bucket without
// encryption a name is its key in UTF-8; else it is as `name-cipher.ts` makes it. Either way the names of a folder are one
// contiguous range, and whether a name lies deeper is seen without a key.

import { concat, toUtf8 } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import { NAME_LENGTH_MAX } from '../../base/limits.ts';
import type { Bucket, BucketId } from '../../shards/bucket.ts';
import { frameLength, type NameKeys, openComponent, sealComponent } from './name-cipher.ts';
import { checkKey, checkPrefix, SEPARATOR } from './path.ts';

export interface NameCodec {
  /** Throws INVALID_ARGUMENT for what is no key, and for one too long to be encrypted. */
  encode(key: string): Uint8Array;
  /** Undefined for a name that was not made here. */
  decode(name: Uint8Array): string | undefined;
  /** Throws INVALID_ARGUMENT. */
  query(prefix: string): NameQuery;
}

/** The names whose keys begin with a prefix. */
export interface NameQuery {
  /** All of them begin so; others may too. */
  readonly within: Uint8Array;
  matches(name: Uint8Array): boolean;
  /** Of a name that lies deeper: what it shares with all others of its folder, up to the first '/' behind the prefix. */
  folderOf(name: Uint8Array): Uint8Array | undefined;
  /** The keys of that folder begin so; undefined when it was not named here. */
  folderKey(folder: Uint8Array): string | undefined;
}

export function codecOf(keys: NameKeys, id: BucketId, { policy }: Bucket): NameCodec {
  return policy.isEncrypted ? encryptedNames(keys, id) : plainNames;
}

// ---- Plain ---------------------------------------------------------------------------------------------------

const SLASH: number = SEPARATOR.charCodeAt(0);
const decoder: TextDecoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });

export const plainNames: NameCodec = {
  encode: (key) => toUtf8(checkKey(key)),
  decode: (name) => {
    try {
      return checkKey(decoder.decode(name));
    } catch {
      return undefined;
    }
  },
  query: (prefix) => {
    const within = toUtf8(checkPrefix(prefix));
    return {
      within,
      matches: () => true,
      folderOf: (name) => {
        const end = name.indexOf(SLASH, within.length);
        return end < 0 ? undefined : name.subarray(0, end + 1);
      },
      folderKey: (folder) => {
        const key = plainNames.decode(folder.subarray(0, -1));
        return key === undefined ? undefined : `${key}${SEPARATOR}`;
      },
    };
  },
};

// ---- Encrypted -----------------------------------------------------------------------------------------------

export function encryptedNames(keys: NameKeys, bucket: BucketId): NameCodec {
  const sealAll = (components: readonly string[]): Uint8Array =>
    components.reduce<Uint8Array>(
      (folder, component) => concat(folder, sealComponent(keys, bucket, folder, component)),
      new Uint8Array(0),
    );
  const openAt = (name: Uint8Array, at: number): string | undefined => {
    const length = frameLength(name, at);
    if (length === undefined) return undefined;
    return openComponent(keys, bucket, name.subarray(0, at), name.subarray(at, at + length));
  };
  const openAll = (name: Uint8Array): string | undefined => {
    const components: string[] = [];
    for (let at = 0; at < name.length; at += frameLength(name, at)!) {
      const component = openAt(name, at);
      if (component === undefined) return undefined;
      components.push(component);
    }
    return components.join(SEPARATOR);
  };
  return {
    encode: (key) => {
      const name = sealAll(checkKey(key).split(SEPARATOR));
      if (name.length > NAME_LENGTH_MAX) throw tooLong(name.length);
      return name;
    },
    decode: openAll,
    query: (prefix) => {
      const components = checkPrefix(prefix).split(SEPARATOR);
      const partial = components.pop()!;
      const within = sealAll(components);
      return {
        within,
        // The object that is called as the folder is not in it.
        matches: (name) =>
          name.length > within.length &&
          (partial === '' || openAt(name, within.length)?.startsWith(partial) === true),
        folderOf: (name) => {
          const length = frameLength(name, within.length);
          const end = within.length + (length ?? name.length);
          return end < name.length ? name.subarray(0, end) : undefined;
        },
        folderKey: (folder) => {
          const key = openAll(folder);
          return key === undefined ? undefined : `${key}${SEPARATOR}`;
        },
      };
    },
  };
}

function tooLong(length: number): StoreError {
  return new StoreError(
    'INVALID_ARGUMENT',
    `encrypted, the key has ${length} bytes; a name has at most ${NAME_LENGTH_MAX}`,
    { next: 'Choose a shorter key, or one with fewer folders: each costs 17 to 32 bytes.' },
  );
}
