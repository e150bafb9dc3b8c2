// Whatever a program puts, read as a stream that fills memory given to it. The bytes are copied once, from the
// source's own chunk to where they are encoded. One reader, one consumer; `close` must be called, it tells the
// source that nobody wants the rest.

import { StoreError, toStoreError } from '../base/errors.ts';
import { untilAborted } from './tasks.ts';
import type { Source } from './types.ts';

export interface SourceReader {
  /** Fills `into` from its start; returns fewer bytes only at the end of the source. */
  fill(into: Uint8Array): Promise<number>;
  /** True when no byte is left. */
  isAtEnd(): Promise<boolean>;
  /** Gives back bytes, once, that will be read again first. */
  unread(bytes: Uint8Array): void;
  /** Drops `length` bytes; returns how many there were. */
  skip(length: number): Promise<number>;
  /** Stops the source early; harmless after its end. */
  close(): Promise<void>;
}

/** Length of sources that know theirs. */
export function sourceLength(source: Source): number | undefined {
  if (typeof source === 'string') return Buffer.byteLength(source);
  if (source instanceof Uint8Array) return source.length;
  if (source instanceof Blob) return source.size;
  return undefined;
}

/**
 * Hears the errors of a Node stream from now on: one that fails before it is read would end the process, although its
 * reader learns of the failure as well.
 */
export function listenTo(source: Source): void {
  if (typeof source !== 'object' || source === null || !('on' in source)) return;
  if (typeof source.on === 'function') source.on('error', () => undefined);
}

/** Reads `source`. Throws INVALID_ARGUMENT for what is no source; later, for chunks that are not bytes. */
export function readSource(source: Source, signal: AbortSignal): SourceReader {
  return chunkReader(chunksOf(source), signal);
}

type Chunks = Iterator<Uint8Array> | AsyncIterator<Uint8Array>;

function chunksOf(source: Source): Chunks {
  if (typeof source === 'string') return [new TextEncoder().encode(source)].values();
  if (source instanceof Uint8Array) return [source].values();
  if (source instanceof Blob) return streamChunks(source.stream());
  if (source instanceof ReadableStream) return streamChunks(source);
  if (typeof source === 'object' && source !== null) {
    if (Symbol.asyncIterator in source) return source[Symbol.asyncIterator]();
    if (Symbol.iterator in source) return source[Symbol.iterator]();
  }
  throw new StoreError(
    'INVALID_ARGUMENT',
    'the source is neither bytes, text, a Blob, a stream nor iterable',
  );
}

/** A web stream as an iterator whose `return` cancels it. */
function streamChunks(stream: ReadableStream<Uint8Array>): AsyncIterator<Uint8Array> {
  if (stream.locked)
    throw new StoreError('INVALID_ARGUMENT', 'the source stream is being read by someone else');
  return stream[Symbol.asyncIterator]();
}

function chunkReader(chunks: Chunks, signal: AbortSignal): SourceReader {
  let chunk: Uint8Array = new Uint8Array(0);
  let position = 0;
  /** Where to go on behind bytes that were given back. */
  let after: { readonly chunk: Uint8Array; readonly position: number } | undefined;
  let isDone = false;
  let isClosed = false;

  /** Makes `chunk` hold at least one unread byte, unless the source is at its end. */
  const load = async (): Promise<void> => {
    if (position === chunk.length && after !== undefined) {
      ({ chunk, position } = after);
      after = undefined;
    }
    while (position === chunk.length && !isDone) {
      const next = await untilAborted(nextChunk(chunks), signal);
      position = 0;
      chunk = next ?? new Uint8Array(0);
      isDone = next === undefined;
    }
  };
  const take = async (length: number, use: (bytes: Uint8Array, at: number) => void): Promise<number> => {
    let done = 0;
    while (done < length) {
      if (position === chunk.length) await load();
      if (position === chunk.length) break;
      const end = Math.min(chunk.length, position + length - done);
      use(chunk.subarray(position, end), done);
      done += end - position;
      position = end;
    }
    return done;
  };
  return {
    fill: (into) => take(into.length, (bytes, at) => into.set(bytes, at)),
    unread: (bytes) => {
      after = { chunk, position };
      chunk = bytes;
      position = 0;
    },
    skip: (length) => take(length, () => undefined),
    isAtEnd: async () => {
      await load();
      return position === chunk.length;
    },
    close: async () => {
      if (isDone || isClosed) return;
      isClosed = true;
      // A source that is waiting cannot return before its own next chunk: it is told, not waited for.
      void Promise.resolve()
        .then(() => chunks.return?.())
        .catch(() => undefined);
    },
  };
}

async function nextChunk(chunks: Chunks): Promise<Uint8Array | undefined> {
  let result: IteratorResult<Uint8Array>;
  try {
    result = await chunks.next();
  } catch (error) {
    throw sourceError(error);
  }
  if (result.done === true) return undefined;
  const value: unknown = result.value;
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'string') return new TextEncoder().encode(value);
  throw new StoreError('INVALID_ARGUMENT', `the source gave ${describe(value)} instead of bytes`);
}

/** A source's own StoreError is passed on; what the system says about a file is the disk's fault, the rest the program's. */
function sourceError(error: unknown): StoreError {
  const isSystem = error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
  return toStoreError(error, isSystem ? 'DISK' : 'INVALID_ARGUMENT', 'the source failed');
}

function describe(value: unknown): string {
  return value === null ? 'null' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
