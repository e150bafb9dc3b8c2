// How the bytes of an accepted socket reach its channel. By default node allocates a buffer for each TLS record, and
// the garbage collector's work on them is a large part of what receiving costs. For dialled sockets node's `onread`
// option avoids it; for accepted sockets there is no such option, although the same machinery is there.
//
// So on the major version of node that this package brings along, and only when every part is found where it is
// expected, an accepted socket is given the buffer as `onread` would give it. Anywhere else data events do the same,
// slower. A test holds that both deliver the same bytes and that the fast way is in use.

import type { TLSSocket } from 'node:tls';

const KNOWN_MAJOR = '24';
const RECEIVE_LENGTH = 64 * 1024;

/**
 * All sockets of a process read into this buffer: node fills it and calls back before it reads the next socket, and a
 * channel copies at once.
 */
export const sharedBuffer: Uint8Array = new Uint8Array(RECEIVE_LENGTH);

type Take = (chunk: Uint8Array) => void;

interface Internals {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly useUserBuffer: (buffer: Uint8Array) => void;
}

/** Feeds what arrives on an accepted socket to `take` from now on; a chunk is valid during the call only. */
export function receive(socket: TLSSocket, take: Take): 'shared' | 'allocated' {
  const internals = internalsOf(socket);
  // What was read before the buffer was in place is in the stream, and comes as data events.
  socket.on('data', take);
  if (internals === undefined) return 'allocated';
  const fields = socket as unknown as Record<symbol, unknown>;
  fields[internals.buffer] = sharedBuffer;
  fields[internals.callback] = (length: number, buffer: Uint8Array): boolean => {
    take(buffer.subarray(0, length));
    return true;
  };
  internals.useUserBuffer(sharedBuffer);
  return 'shared';
}

function internalsOf(socket: TLSSocket): Internals | undefined {
  if (process.versions.node.split('.')[0] !== KNOWN_MAJOR) return undefined;
  const symbols = Object.getOwnPropertySymbols(socket);
  const named = (name: string): symbol | undefined => symbols.find((symbol) => symbol.description === name);
  const [buffer, callback] = [named('kBuffer'), named('kBufferCb')];
  const handle = (socket as unknown as { _handle?: { useUserBuffer?: (buffer: Uint8Array) => void } })
    ._handle;
  if (buffer === undefined || callback === undefined || typeof handle?.useUserBuffer !== 'function')
    return undefined;
  return { buffer, callback, useUserBuffer: (bytes) => handle.useUserBuffer!(bytes) };
}
