// Get: the bytes of an object, or of a range of it, in order and verified. The next segment is fetched while the
// consumer takes the current one; a consumer that stops early stops everything. Each iteration reads anew.

import type { EpochRecord } from '../base/epoch.ts';
import { StoreError, toStoreError } from '../base/errors.ts';
import type { ContentKey } from '../base/ids.ts';
import { segmentCapacity } from '../replication/manifest.ts';
import { segmentKey } from '../replication/object.ts';
import { importCellKey, openCell } from '../runtime/coder/cells.ts';
import type { Context } from './context.ts';
import { type FetchedPart, fetchSegment, type SegmentReader } from './fetch-segment.ts';
import type { LineEstimate } from './gather.ts';
import { createHealth, type Health } from './health.ts';
import { checkKey, type ObjectReader, openObject } from './object-reader.ts';
import { createMeter } from './progress.ts';
import { failureOf, linkedAbort, throwIfAborted } from './tasks.ts';
import type { GetOptions, GetResult } from './types.ts';
import type { ObjectUri } from './uri.ts';

/** Delivered chunks: large enough for few calls, small enough to write them one by one. */
const CHUNK_LENGTH: number = 1024 * 1024;

interface Download {
  readonly context: Context;
  readonly epoch: EpochRecord;
  readonly reader: ObjectReader;
  readonly key: ContentKey | undefined;
  readonly options: GetOptions;
  readonly health: Health;
  readonly line: LineEstimate;
  readonly offset: number;
  readonly length: number;
  /** The store's own. */
  readonly signal: AbortSignal;
}

/** Ends with `signal`, the store's own, and with the one of `options`. Throws what `Store.get` throws. */
export async function getObject(
  context: Context,
  epoch: EpochRecord,
  uri: ObjectUri,
  options: GetOptions,
  signal: AbortSignal,
): Promise<GetResult> {
  const health = createHealth(context.clock, context.timing);
  const opening = linkedAbort(signal, options.signal);
  let reader: ObjectReader;
  try {
    throwIfAborted(opening.signal);
    reader = await openObject(context, epoch, uri, health, opening.signal, (event) =>
      options.onNotice?.(event),
    );
  } finally {
    opening.release();
  }
  const key = checkKey(reader, uri);
  const sizeBytes = reader.manifest.lengthBytes;
  const { offset, length } = rangeOf(options, sizeBytes);
  const line = { msPerByte: undefined };
  const download = { context, epoch, reader, key, options, health, line, offset, length, signal };
  const isReusing = options.reuseChunks === true;
  const iterate = (stop?: AbortSignal): AsyncGenerator<Uint8Array, void, void> =>
    deliver(download, isReusing, stop);
  return {
    sizeBytes,
    lengthBytes: length,
    [Symbol.asyncIterator]: () => iterate(),
    stream: () => streamOf((stop) => deliver(download, false, stop)),
    bytes: () => collect(() => deliver(download, true), length),
  };
}

/** Throws INVALID_ARGUMENT for a range that does not lie in the object. */
function rangeOf({ range }: GetOptions, size: number): { readonly offset: number; readonly length: number } {
  if (range === undefined) return { offset: 0, length: size };
  const { offset, length = size - offset } = range;
  const isSound = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (!isSound || offset + length > size) {
    throw new StoreError(
      'INVALID_ARGUMENT',
      `the object has ${size} bytes, ${length} bytes at ${offset} do not lie in it`,
      { next: 'Choose a range within the object.' },
    );
  }
  return { offset, length };
}

/** A part of the output: bytes [offset, offset + length) of a segment. */
interface Part {
  readonly segment: number;
  readonly offset: number;
  readonly length: number;
}

/** `stop` ends an iteration that is waiting, which its own `return` cannot. */
async function* deliver(
  download: Download,
  isReusing: boolean,
  stop?: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  const { context, reader, options, length } = download;
  const abort = linkedAbort(download.signal, options.signal, stop);
  const meter = createMeter(context.clock, length, options.onProgress);
  let delivered = 0;
  let current: FetchedPart | undefined;
  let ahead: Promise<FetchedPart> | undefined;
  try {
    throwIfAborted(abort.signal);
    if (reader.manifest.content.kind === 'inline') {
      delivered = length;
      if (length > 0) yield openInline(download);
      return;
    }
    const parts = partsOf(download);
    const segments = segmentReader(download, abort.signal, (fetched) =>
      meter.report('fetch', Math.min(length, Math.max(delivered, fetched))),
    );
    const start = (): Promise<FetchedPart> | undefined => {
      const part = parts.next().value;
      if (part === undefined) return undefined;
      const fetched = fetchSegment(segments, part.segment, part.offset, part.length);
      fetched.catch(() => undefined);
      return fetched;
    };
    ahead = start();
    const chunkOf = chunkMaker(isReusing);
    while (ahead !== undefined) {
      current = await ahead;
      ahead = start();
      while (current.left > 0) {
        throwIfAborted(abort.signal);
        const chunk = chunkOf(Math.min(CHUNK_LENGTH, current.left));
        current.read(chunk);
        delivered += chunk.length;
        yield chunk;
      }
      current.release();
    }
  } catch (error) {
    throw failureOf(error, abort.signal, 'get');
  } finally {
    abort.abort(new StoreError('ABORTED', 'the reader stopped'));
    current?.release();
    (await ahead?.catch(() => undefined))?.release();
    abort.release();
    if (delivered === length) meter.flush('complete', delivered);
  }
}

/** Chunks of their own, or the first bytes of always the same one. */
function chunkMaker(isReusing: boolean): (length: number) => Uint8Array {
  let chunk: Uint8Array | undefined;
  return (length) => {
    if (!isReusing) return new Uint8Array(length);
    chunk ??= new Uint8Array(CHUNK_LENGTH);
    return chunk.subarray(0, length);
  };
}

function segmentReader(
  download: Download,
  signal: AbortSignal,
  onFetched: (fetched: number) => void,
): SegmentReader {
  const { context, epoch, reader, key, health, line, options } = download;
  let fetched = 0;
  return {
    context,
    epoch,
    reader,
    key,
    health,
    line,
    signal,
    notice: (event) => options.onNotice?.(event),
    onFetched: (count) => {
      fetched += count;
      onFetched(fetched);
    },
  };
}

function* partsOf({ reader, offset, length }: Download): Generator<Part, undefined> {
  const { segmentCells, keyCheck } = reader.manifest;
  const capacity = segmentCapacity(segmentCells, keyCheck !== undefined);
  const end = offset + length;
  for (let at = offset; at < end; ) {
    const segment = Math.floor(at / capacity);
    const to = Math.min(end, (segment + 1) * capacity);
    yield { segment, offset: at - segment * capacity, length: to - at };
    at = to;
  }
  return undefined;
}

function openInline({ reader, key, offset, length }: Download): Uint8Array {
  const { content, lengthBytes } = reader.manifest;
  if (content.kind !== 'inline') throw new StoreError('INTERNAL', 'the object is not inline');
  const plaintext = new Uint8Array(lengthBytes);
  const cellKey =
    key === undefined ? undefined : importCellKey(segmentKey(key, reader.object, 0, content.salt));
  try {
    openCell(cellKey, 0, content.bytes, plaintext);
  } catch (error) {
    const { message } = toStoreError(error, 'INTEGRITY', 'inline object');
    throw new StoreError('INTEGRITY', `the object does not decrypt although its key is right: ${message}`, {
      cause: error,
    });
  }
  return plaintext.slice(offset, offset + length);
}

function streamOf(
  iterate: (stop: AbortSignal) => AsyncGenerator<Uint8Array, void, void>,
): ReadableStream<Uint8Array> {
  const stop = new AbortController();
  const chunks = iterate(stop.signal);
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const next = await chunks.next();
        if (next.done === true) controller.close();
        else controller.enqueue(next.value);
      },
      cancel: async () => {
        stop.abort();
        await chunks.return();
      },
    },
    // Nothing is fetched before somebody reads.
    { highWaterMark: 0 },
  );
}

async function collect(iterate: () => AsyncIterable<Uint8Array>, length: number): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(length);
  } catch (error) {
    throw new StoreError('INVALID_ARGUMENT', `${length} bytes do not fit into one array`, {
      cause: error,
      next: 'Read the object as a stream, or in ranges.',
    });
  }
  let at = 0;
  for await (const chunk of iterate()) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
