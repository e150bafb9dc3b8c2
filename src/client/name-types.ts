// What a program sees of names: `store://bucket/key` stands for an object, buckets hold names and say how objects put there are kept. Everything
// that is read here was proven by the chain.

import type { CallEvents, RemoveResult } from './types.ts';

/** What must be true of a name for it to be changed, as HTTP says it. Nothing given: anything. */
export interface NameCondition {
  /** The name has this etag; `*`: it is there. */
  readonly ifMatch?: string;
  /** The name is not there yet. */
  readonly ifNoneMatch?: '*';
}

/**
 * What became of an object that lost a name: `deleted`; `kept`, as it has or had other names; `not-ours`, as the chain does not know it as the
 * owner's; `unknown`, as another program changed the name at the same moment; `failed`, and it takes up space until somebody removes it.
 */
export type ReleaseOutcome = 'deleted' | 'kept' | 'not-ours' | 'unknown' | 'failed';

/** A write to a name that has been done: it is final, and whoever reads from now on sees it, whichever node is asked. */
export interface NameWrite {
  /** `store://bucket/key` */
  readonly uri: string;
  /** 32 hex digits; a name has never the same one twice. */
  readonly etag: string;
  /** Height of the chain at which the name was seen. */
  readonly height: number;
  /** Another program has written the name again since. */
  readonly isOvertaken: boolean;
  /** Settles when the object that the name stood for before, if there was one, has been dealt with. Never rejects. */
  readonly released: Promise<ReleaseOutcome | undefined>;
}

export interface NameStat {
  readonly uri: string;
  readonly bucket: string;
  readonly key: string;
  readonly etag: string;
  readonly sizeBytes: number;
  /** Of the object's manifest. */
  readonly cid: string;
  readonly isEncrypted: boolean;
  /** Height of the chain at which the name was written. */
  readonly writtenAtHeight: number;
}

export interface NameListing {
  readonly names: readonly NameStat[];
  /** URIs of what lies below the next delimiter. */
  readonly prefixes: readonly string[];
  /** Goes on with the same listing; undefined: there is no more. */
  readonly token: string | undefined;
  /** Names that this key cannot read. */
  readonly unreadable: number;
  /** Height of the chain whose state this is. */
  readonly height: number;
}

export interface ListOptions extends CallEvents {
  /** Keys with another `/` behind the prefix are shown as one prefix. Default: every key. */
  readonly delimiter?: '/';
  /** Names and prefixes together; default and most: 1000. */
  readonly maxKeys?: number;
  /** `token` of the page before. */
  readonly token?: string;
}

/** What is left out is the default when a bucket is created, and stays when it is changed. */
export interface BucketOptions extends CallEvents {
  /** Null: by the number of operators. */
  readonly code?: { readonly k: number; readonly n: number } | null;
  /** Names and bytes are encrypted. Default true. */
  readonly isEncrypted?: boolean;
  /** Gateways may show it to anybody; only without encryption. */
  readonly isPublic?: boolean;
}

export interface BucketView {
  readonly name: string;
  readonly code: { readonly k: number; readonly n: number } | null;
  readonly isEncrypted: boolean;
  readonly isPublic: boolean;
  readonly names: number;
  readonly bytes: bigint;
  readonly createdAtHeight: number;
}

export interface Buckets {
  create(name: string, options?: BucketOptions): Promise<BucketView>;
  /** Their names, ascending. */
  list(options?: CallEvents): Promise<readonly string[]>;
  stat(name: string, options?: CallEvents): Promise<BucketView>;
  /** Encryption can change only while no name is in it. */
  change(name: string, options: BucketOptions): Promise<BucketView>;
  /** An empty one. */
  delete(name: string, options?: CallEvents): Promise<void>;
}

export interface RemoveNameResult extends RemoveResult {
  /** What became of the object. Its pieces are removed where it was deleted. */
  readonly released: ReleaseOutcome;
}
