// Buckets and names for tests: the homes that know their kinds, and short ways to use them.

import { toUtf8 } from '../../src/base/bytes.ts';
import {
  type Bucket,
  type BucketId,
  bucketIdOf,
  bucketListOf,
  bucketOf,
  DEFAULT_POLICY,
  directoryOf,
} from '../../src/shards/bucket.ts';
import { range } from '../../src/shards/directory/tree.ts';
import type { Condition, NameEntry } from '../../src/shards/name-entry.ts';
import { decodeEntry } from '../../src/shards/name-entry.ts';
import { entryOf } from '../../src/shards/names.ts';
import type { RefusalCode } from '../../src/shards/operation.ts';
import { Homes } from './homes.ts';
import { fastSha256 } from './kinds.ts';
import { referenceTo } from './storage-samples.ts';
import { NETWORK, ownerOf } from './world.ts';

export const ANY: Condition = { kind: 'any' };
export const ABSENT: Condition = { kind: 'absent' };
export const PRESENT: Condition = { kind: 'present' };

export const bucketIdFor = (owner: string, name: string): BucketId =>
  bucketIdOf(NETWORK, ownerOf(owner), name, fastSha256);

export class Buckets extends Homes {
  create(owner: string, name: string): RefusalCode | undefined {
    return this.do(owner, 'create-bucket', this.creation(owner, name));
  }

  creation(owner: string, name: string): unknown {
    return { bucket: bucketIdFor(owner, name), name, policy: DEFAULT_POLICY };
  }

  put(
    owner: string,
    bucket: string,
    name: string,
    what: string,
    condition: Condition = ANY,
  ): RefusalCode | undefined {
    return this.do(owner, 'put-name', {
      bucket: bucketIdFor(owner, bucket),
      name: toUtf8(name),
      object: referenceTo(what),
      condition,
    });
  }

  delete(owner: string, bucket: string, name: string, condition: Condition = ANY): RefusalCode | undefined {
    const parameters = { bucket: bucketIdFor(owner, bucket), name: toUtf8(name), condition };
    return this.do(owner, 'delete-name', parameters);
  }

  renaming(
    owner: string,
    from: readonly [string, string],
    to: readonly [string, string],
    condition: Condition = ANY,
  ): unknown {
    return {
      source: { bucket: bucketIdFor(owner, from[0]), name: toUtf8(from[1]), condition: ANY },
      destination: { bucket: bucketIdFor(owner, to[0]), name: toUtf8(to[1]), condition },
    };
  }

  bucket(owner: string, name: string): Bucket | undefined {
    return this.memory.run((state) => bucketOf(state, bucketIdFor(owner, name)));
  }

  list(owner: string): readonly string[] {
    return this.memory.run((state) => bucketListOf(state, ownerOf(owner)));
  }

  entry(owner: string, bucket: string, name: string): NameEntry | undefined {
    const id = bucketIdFor(owner, bucket);
    return this.memory.run((state) => entryOf(state, id, bucketOf(state, id)!, toUtf8(name)));
  }

  /** What the names of a bucket stand for, as its record counts them. */
  names(owner: string, bucket: string): Readonly<Record<string, NameEntry>> {
    const id = bucketIdFor(owner, bucket);
    const record = this.bucket(owner, bucket)!;
    const { entries } = this.memory.run((state) =>
      range(state, directoryOf(id, record), new Uint8Array(0), 1000),
    );
    const text = new TextDecoder();
    const all = entries.map(([name, value]) => [text.decode(name), decodeEntry(value)] as const);
    const bytes = all.reduce((sum, [, { object }]) => sum + BigInt(object.lengthBytes), 0n);
    if (record.names !== all.length || record.bytes !== bytes) throw new Error('counters are off');
    return Object.fromEntries(all);
  }
}
