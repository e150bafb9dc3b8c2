// Peers that attack the bulk lane of a node, each in its own way and again and again until they are told to stop. All
// but the first two finish the TLS handshake with a good certificate and a good hello: anybody can have those.

import { type Socket, connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { NetworkId } from '../../src/base/ids.ts';
import type { Signer } from '../../src/base/ports.ts';
import { credentialsFor } from '../../src/runtime/bulk/certificate.ts';
import { encodeHello, encodeRequest } from '../../src/runtime/bulk/frame.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly network: NetworkId;
  /** A service that takes bodies, and the longest it takes. */
  readonly service: string;
  readonly maxBodyLength: number;
}

/** What it does with a fresh connection; `tick` comes every 50 ms. */
interface Attack {
  readonly isTls: boolean;
  start(socket: Socket, target: Target): void;
  tick?(socket: Socket, target: Target): void;
}

const header = new Uint8Array(16);
const block = new Uint8Array(256 * 1024).map((_, index) => index * 7 + (index >>> 9));

export const ATTACKS: Readonly<Record<string, Attack>> = {
  /** Connects and never says a word. */
  halfOpen: { isTls: false, start: () => {} },
  /** Speaks something that is not TLS. */
  notTls: { isTls: false, start: (socket) => void socket.write(block.subarray(0, 5000)) },
  /** Finishes the handshake and never says hello. */
  silent: { isTls: true, start: () => {} },
  /** A hello, then noise. */
  garbage: {
    isTls: true,
    start: (socket, target) => void socket.write(hello(target)),
    tick: (socket) => void socket.write(block.subarray(0, 3000)),
  },
  /** Announces more than anybody takes. */
  oversized: {
    isTls: true,
    start(socket, target) {
      socket.write(hello(target));
      socket.write(encodeRequest(target.service, header, Number.MAX_SAFE_INTEGER));
      socket.write(block);
    },
  },
  /** A good request whose body goes on after its end. */
  endless: {
    isTls: true,
    start(socket, target) {
      socket.write(hello(target));
      socket.write(encodeRequest(target.service, header, 1000));
    },
    tick: (socket) => void (socket.writableLength < block.length && socket.write(block)),
  },
  /** The longest body there may be, a few bytes at a time. */
  slow: {
    isTls: true,
    start(socket, target) {
      socket.write(hello(target));
      socket.write(encodeRequest(target.service, header, target.maxBodyLength));
    },
    tick: (socket) => void socket.write(block.subarray(0, 3)),
  },
  /** A header that never ends. */
  trickle: {
    isTls: true,
    start: (socket, target) => void socket.write(hello(target)),
    tick: (socket, target) => void socket.write(encodeRequest(target.service, header, 0).subarray(0, 1)),
  },
  /** Asks for much and reads nothing. */
  deaf: {
    isTls: true,
    start(socket, target) {
      socket.pause();
      socket.write(hello(target));
      socket.write(encodeRequest(target.service, header, block.length));
      socket.write(block);
    },
  },
};

/**
 * Attacks on `count` connections at once, all kinds in turn, until `signal` fires; who is cut comes
 * back after `pauseMs`. Returns how many connections were made.
 */
export async function attack(
  target: Target,
  signers: readonly Signer[],
  count: number,
  signal: AbortSignal,
  pauseMs = 100,
): Promise<number> {
  const kinds = Object.values(ATTACKS);
  let made = 0;
  const keepAttacking = async (index: number): Promise<void> => {
    while (!signal.aborted) {
      made += 1;
      await attackOnce(kinds[index % kinds.length]!, target, signers[index % signers.length]!, signal);
      await pause(pauseMs, signal);
    }
  };
  await Promise.all(Array.from({ length: count }, (_, index) => keepAttacking(index)));
  return made;
}

/** One connection, until the victim cuts it or `signal` fires. */
async function attackOnce(kind: Attack, target: Target, signer: Signer, signal: AbortSignal): Promise<void> {
  const { host, port } = target;
  const tls = {
    rejectUnauthorized: false,
    ALPNProtocols: ['holdfast-bulk'],
    ...(await credentialsFor(signer)),
  };
  const socket = kind.isTls ? connectTls({ host, port, ...tls }) : connectTcp({ host, port });
  const ended = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', () => {});
  socket.resume();
  socket.once(kind.isTls ? 'secureConnect' : 'connect', () => kind.start(socket, target));
  const ticking = setInterval(() => {
    if (!socket.connecting) kind.tick?.(socket, target);
  }, 50);
  const stop = (): void => void socket.destroy();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  await ended;
  clearInterval(ticking);
  signal.removeEventListener('abort', stop);
}

function hello(target: Target): Uint8Array {
  return encodeHello({ network: target.network, proof: undefined });
}

function pause(timeMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(finish, timeMs);
    function finish(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    }
    signal.addEventListener('abort', finish, { once: true });
  });
}
