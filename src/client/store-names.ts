// The store's operations on names: the names of `names/` over the store's chain and key, and the objects behind them over its nodes.
//
// Buckets and their names belong to a key; every operation means those of the key that this store uses.

import { equal } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import type { BucketPolicy } from '../shards/bucket.ts';
import type { NameEntry } from '../shards/name-entry.ts';
import type { ReadOptions } from './chain/types.ts';
import { getObject } from './download.ts';
import type {
  BucketOptions,
  BucketView,
  ListOptions,
  NameCondition,
  NameListing,
  NameStat,
  NameWrite,
  RemoveNameResult,
} from './name-types.ts';
import {
  changeBucket,
  createBucket,
  deleteBucket,
  listBuckets,
  statBucket,
} from './names/bucket-operations.ts';
import { checkCondition } from './names/condition.ts';
import { type NamesContext, namesContext } from './names/context.ts';
import { nameIn, statName } from './names/directory-reader.ts';
import { moveName } from './names/move-name.ts';
import { listNames } from './names/name-listing.ts';
import { copyName } from './names/object-names.ts';
import { formatNameUri, type NamePath, parseNameUri, parsePrefixUri } from './names/path.ts';
import { bucketView, conditionOf, nameView, objectUri, policyOf } from './name-views.ts';
import { remove, type StoreNamesPorts, written } from './name-release.ts';
import { publishAs } from './publication.ts';
import { statObject } from './stat.ts';
import type {
  CallEvents,
  GetOptions,
  GetResult,
  ObjectStat,
  PutOptions,
  PutResult,
  Source,
} from './types.ts';
import { putObject } from './upload.ts';
import type { ObjectUri } from './uri.ts';

/** As in `Store`; `signal` ends the call. */
export interface StoreNames {
  put(source: Source, options: PutOptions, signal: AbortSignal): Promise<PutResult>;
  get(uri: string, options: GetOptions, signal: AbortSignal): Promise<GetResult>;
  stat(
    uri: string,
    options: CallEvents & { readonly check?: boolean },
    signal: AbortSignal,
  ): Promise<ObjectStat>;
  statName(uri: string, options: CallEvents, signal: AbortSignal): Promise<NameStat>;
  list(uri: string, options: ListOptions, signal: AbortSignal): Promise<NameListing>;
  remove(uri: string, condition: NameCondition | undefined, signal: AbortSignal): Promise<RemoveNameResult>;
  move(from: string, to: string, conditions: Conditions, signal: AbortSignal): Promise<NameWrite>;
  copy(from: string, to: string, conditions: Conditions, signal: AbortSignal): Promise<NameWrite>;
  createBucket(name: string, options: BucketOptions, signal: AbortSignal): Promise<BucketView>;
  listBuckets(options: CallEvents, signal: AbortSignal): Promise<readonly string[]>;
  statBucket(name: string, options: CallEvents, signal: AbortSignal): Promise<BucketView>;
  changeBucket(name: string, options: BucketOptions, signal: AbortSignal): Promise<BucketView>;
  deleteBucket(name: string, signal: AbortSignal): Promise<void>;
}

interface Conditions {
  readonly from?: NameCondition;
  readonly to?: NameCondition;
}

/** A name that is written again and again while it is read is given up after so many times. */
const GET_TRIES = 5;

export function createStoreNames(ports: StoreNamesPorts): StoreNames {
  const { open } = ports;
  return {
    put: async (source, options, signal) => put(ports, await open(signal), source, options, signal),
    get: async (uri, options, signal) => {
      const path = parseNameUri(uri);
      return withObject(ports, await open(signal), path, reading(options, signal), async (object) =>
        getObject(ports.context, await ports.membership.current(signal), object, options, ports.life),
      );
    },
    stat: async (uri, options, signal) => {
      const path = parseNameUri(uri);
      return withObject(ports, await open(signal), path, reading(options, signal), async (object, entry) => {
        const epoch = await ports.membership.current(signal);
        const stat = await statObject(ports.context, epoch, object, options, signal);
        return { ...stat, name: nameView(path, entry) };
      });
    },
    statName: async (uri, options, signal) => {
      const path = parseNameUri(uri);
      return nameView(path, (await statName(await open(signal), path, reading(options, signal))).value);
    },
    list: async (uri, options, signal) => list(await open(signal), uri, options, signal),
    remove: async (uri, condition, signal) => {
      const [path, must] = [parseNameUri(uri), conditionOf(condition)];
      return remove(ports, await open(signal), path, must, signal);
    },
    move: async (from, to, conditions, signal) => {
      const paths = [parseNameUri(from), parseNameUri(to)] as const;
      const must = { from: conditionOf(conditions.from), to: conditionOf(conditions.to) };
      const names = await open(signal);
      return written(ports, names, paths[1], await moveName(names, ...paths, { ...must, signal }));
    },
    copy: async (from, to, conditions, signal) => {
      const paths = [parseNameUri(from), parseNameUri(to)] as const;
      const must = conditionOf(conditions.to);
      const names = await open(signal);
      return written(ports, names, paths[1], await copyName(names, ...paths, { to: must, signal }));
    },
    createBucket: async (name, options, signal) => {
      // The first bucket of a home without keys makes one, as the first put does.
      await ports.context.owner.loadOrCreate();
      return bucketView(await createBucket(await open(signal), name, { ...policyOf(options), signal }));
    },
    listBuckets: async (options, signal) => {
      if ((await ports.context.owner.load()) === undefined) return [];
      return (await listBuckets(await open(signal), reading(options, signal))).value;
    },
    statBucket: async (name, options, signal) =>
      bucketView((await statBucket(await open(signal), name, reading(options, signal))).value),
    changeBucket: async (name, options, signal) =>
      bucketView(await changeBucket(await open(signal), name, { ...policyOf(options), signal })),
    deleteBucket: async (name, signal) => deleteBucket(await open(signal), name, { signal }),
  };
}

/** One context for all operations, so that what is written at the same time goes in one batch. */
export function namesOpener({
  context,
  chain,
}: Pick<StoreNamesPorts, 'context' | 'chain'>): StoreNamesPorts['open'] {
  let names: NamesContext | undefined;
  return async (signal) => {
    const [client, signer, keys] = await Promise.all([
      chain.open(signal),
      context.owner.load(),
      context.owner.nameKeys(),
    ]);
    if (signer === undefined || keys === undefined) throw noKey();
    names ??= namesContext({ chain: client, signer, random: context.random }, keys);
    return names;
  };
}

function noKey(): StoreError {
  return new StoreError('NOT_FOUND', 'this home has no key, and names belong to a key', {
    next: 'Make your first bucket with "store bucket create NAME", or import the key that owns the names with "store keys import".',
  });
}

// ---- Put -----------------------------------------------------------------------------------------------------

async function put(
  ports: StoreNamesPorts,
  names: NamesContext,
  source: Source,
  options: PutOptions,
  signal: AbortSignal,
): Promise<PutResult> {
  const { context, membership, home, life } = ports;
  const path = parseNameUri(options.name!);
  const uri = formatNameUri(path);
  const condition = conditionOf(options.condition);
  const [{ value: policy }, epoch] = await Promise.all([
    // Before a byte is sent for nothing.
    names.chain.read(
      (state) => {
        const { bucket, entry } = nameIn(state, names, path);
        checkCondition(uri, condition, entry);
        return bucket.policy;
      },
      { signal },
    ),
    membership.current(signal),
  ]);
  if (options.allowSameOperator === true && !epoch.params.isTrial) throw dependent();
  const publication = publishAs(names, path, condition);
  const asked = under(uri, options, policy);
  const result = await putObject(context, epoch, home, source, asked, life, publication);
  return {
    ...result,
    registered: Promise.resolve(true),
    name: written(ports, names, path, publication.written()),
  };
}

/** What the call says comes before what the bucket says. */
function under(uri: string, options: PutOptions, policy: BucketPolicy): PutOptions {
  const isCoded = options.code !== undefined || options.copies !== undefined || policy.code === null;
  const { resumeKey } = options;
  return {
    ...options,
    ...(isCoded ? {} : { code: policy.code }),
    // The same source under two names is two objects.
    ...(resumeKey === undefined ? {} : { resumeKey: `${resumeKey} as ${uri}` }),
    isPublic: options.isPublic ?? !policy.isEncrypted,
  };
}

function dependent(): StoreError {
  return new StoreError(
    'INVALID_ARGUMENT',
    'the chain takes only objects whose pieces are with different operators',
    { next: 'Leave out allowSameOperator, or put the object without a name.' },
  );
}

/** Reads go on when most validators are down, and say so; what is written is decided on what is certainly the newest. */
function reading({ onNotice }: CallEvents, signal: AbortSignal): ReadOptions {
  const onStale = ({ message }: StoreError): void =>
    onNotice?.({ kind: 'chain-behind', message: `what is shown may be old: ${message}` });
  return { signal, onStale };
}

// ---- What a name stands for ----------------------------------------------------------------------------------

/** When the object cannot be found, the name may have been written again after it was read: then what it stands for now is used. */
async function withObject<T>(
  { context }: StoreNamesPorts,
  names: NamesContext,
  path: NamePath,
  options: ReadOptions,
  use: (object: ObjectUri, entry: NameEntry) => Promise<T>,
): Promise<T> {
  let { value: entry } = await statName(names, path, options);
  for (let tries = 1; ; tries++) {
    try {
      return await use(objectUri(context, names, entry.object), entry);
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'NOT_FOUND' || tries === GET_TRIES) throw error;
      const { value: now } = await statName(names, path, options);
      if (equal(now.etag, entry.etag)) throw error;
      entry = now;
    }
  }
}

async function list(
  names: NamesContext,
  uri: string,
  options: ListOptions,
  signal: AbortSignal,
): Promise<NameListing> {
  const { delimiter, maxKeys, token } = options;
  const { bucket, prefix } = parsePrefixUri(uri);
  const listing = await listNames(names, bucket, {
    prefix,
    ...reading(options, signal),
    ...(delimiter === undefined ? {} : { delimiter }),
    ...(maxKeys === undefined ? {} : { maxKeys }),
    ...(token === undefined ? {} : { continuationToken: token }),
  });
  return {
    names: listing.names.map(({ key, entry }) => nameView({ bucket, key }, entry)),
    prefixes: listing.commonPrefixes.map((key) => formatNameUri({ bucket, key })),
    token: listing.next,
    unreadable: listing.unreadable,
    height: listing.height,
  };
}
