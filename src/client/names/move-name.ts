// Another name for what a name stands for. Within a bucket the chain does it at once. Between two it takes three steps, perhaps in two shards
// (`shards/operations/rename.ts`): for a moment both names resolve, at no moment neither; here a client waits until it has ended.

import { equal } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import { accountOf } from '../../shards/account.ts';
import { bucketHome, bucketOf } from '../../shards/bucket.ts';
import { type Condition, etagOf, type NameEntry, type ObjectReference } from '../../shards/name-entry.ts';
import { entryOf } from '../../shards/names.ts';
import type { Overlay } from '../../shards/view.ts';
import type { Written } from './batch.ts';
import { ANY, checkCondition, overtaken } from './condition.ts';
import type { CallOptions, NamesContext } from './context.ts';
import { type FoundName, nameIn, noSuchName } from './directory-reader.ts';
import { type Aftermath, aftermath, isCertain, subjectOf, whyRefused } from './name-operations.ts';
import { formatNameUri, type NamePath } from './path.ts';
import { isQuiet, readSettled } from './settle.ts';

export interface MoveOptions extends CallOptions {
  /** What must be true of the old name. Default: it is there. */
  readonly from?: Condition;
  /** What must be true of the new name. Default: anything. */
  readonly to?: Condition;
}

export interface MovedName {
  /** Of the new name. */
  readonly etag: Uint8Array;
  readonly height: number;
  /** The new name has been written again by another program since. */
  readonly isOvertaken: boolean;
  /** The object that the new name stood for before; undefined: none, or it cannot be told. */
  readonly replaced: ObjectReference | undefined;
}

interface Basis {
  readonly source: FoundName;
  readonly destination: FoundName;
  readonly isQuiet: boolean;
}

/** Both sides, once the rename has ended. */
interface Ends {
  readonly source: NameEntry | undefined;
  readonly destination: Aftermath;
}

/**
 * Throws NOT_FOUND for the old name or a bucket, NameConflict (CONDITION_FAILED), INVALID_ARGUMENT when both names are the same, BUSY while
 * one of them is on its way already, and what writing throws.
 */
export async function moveName(
  context: NamesContext,
  from: NamePath,
  to: NamePath,
  options: MoveOptions = {},
): Promise<MovedName> {
  const [fromText, toText] = [formatNameUri(from), formatNameUri(to)];
  if (fromText === toText) throw sameName(fromText);
  const { signal, from: fromCondition = ANY, to: toCondition = ANY } = options;
  const written = await context.writer.write(
    {
      subjects: [subjectOf(from), subjectOf(to)],
      decide: (state) => {
        const source = nameIn(state, context, from);
        const destination = nameIn(state, context, to);
        const { entry } = source;
        if (entry === undefined && fromCondition.kind === 'any') throw noSuchName(from);
        checkCondition(fromText, fromCondition, entry);
        if (entry === undefined) throw noSuchName(from);
        checkCondition(toText, toCondition, destination.entry);
        const exactly: Condition = { kind: 'match', etag: entry.etag };
        const parameters = {
          source: { bucket: source.id, name: source.name, condition: exactly },
          destination: { bucket: destination.id, name: destination.name, condition: toCondition },
        };
        const basis: Basis = { source, destination, isQuiet: isQuiet(state) };
        return { action: { kind: 'rename', parameters }, basis };
      },
    },
    signal,
  );
  const departed = await aftermath(context, written.basis.source, written, signal);
  const { value: ends, height } = await waitForEnd(context, written, departed.height, signal);
  const etag = etagOf(written.id);
  const replaced = isCertain(written) ? written.basis.destination.entry?.object : undefined;
  const { entry } = ends.destination;
  if (entry !== undefined && equal(entry.etag, etag)) return { etag, height, isOvertaken: false, replaced };
  const before = written.basis.source.entry!;
  if (ends.source !== undefined && equal(ends.source.etag, before.etag)) {
    // The old name is as it was, so nothing came of it; why, the new one tells, or the old one being on another way.
    if (ends.source.movingAs !== null) checkCondition(fromText, fromCondition, ends.source);
    throw whyRefused(toText, toCondition, written, ends.destination);
  }
  const hasLeft = isOnItsWay(departed.value.entry, etag);
  // Nobody else could have taken the old name away: it has moved, and the new one was written again.
  if (hasLeft || isCertain(written)) return { etag, height, isOvertaken: true, replaced };
  if (departed.value.isLast && ends.source === undefined) throw noSuchName(from);
  throw overtaken(fromText, ends.source);
}

/** Heights go by until the old name is not on this way any more. */
async function waitForEnd(
  { chain, owner }: NamesContext,
  { id, basis, nonce }: Written<Basis>,
  sentAt: number,
  signal: AbortSignal | undefined,
): Promise<{ readonly value: Ends; readonly height: number }> {
  const { source, destination } = basis;
  const etag = etagOf(id);
  const more = signal === undefined ? {} : { signal };
  const decide = (state: Overlay): Ends | undefined => {
    const old = entryIn(state, source);
    if (isOnItsWay(old, etag)) return undefined;
    const hasBucket = bucketOf(state, destination.id) !== undefined;
    const isLast = accountOf(state, owner).nonce === nonce + 1;
    return { source: old, destination: { entry: entryIn(state, destination), hasBucket, isLast } };
  };
  for (let atLeast = sentAt; ; ) {
    const { value, height } = await chain.read(decide, { atLeast, ...more });
    if (value !== undefined) return { value, height };
    const there = [bucketHome(source.id), bucketHome(destination.id)] as const;
    const arrived = await readSettled(chain, there, () => undefined, { sentAt: height, ...more });
    const back = [there[1], there[0]] as const;
    atLeast = (await readSettled(chain, back, () => undefined, { sentAt: arrived.height, ...more })).height;
    // An end that expired on its way out comes back later than both lanes say.
    if (atLeast === height) atLeast = height + 1;
  }
}

function isOnItsWay(entry: NameEntry | undefined, etag: Uint8Array): boolean {
  return entry !== undefined && entry.movingAs !== null && equal(entry.movingAs, etag);
}

function entryIn(state: Overlay, { id, name }: FoundName): NameEntry | undefined {
  const bucket = bucketOf(state, id);
  return bucket === undefined ? undefined : entryOf(state, id, bucket, name);
}

function sameName(text: string): StoreError {
  return new StoreError('INVALID_ARGUMENT', `${text} is to be moved to itself`, {
    next: 'Choose another name.',
  });
}
