// One end of one stack of the lane bench, as a process of its own: `serve STACK` or `call STACK PORT`. It is told what
// to do over IPC and answers with its CPU time.
//
// The stacks other than the bulk lane speak the least that can be measured: kind u8 | length u32, then for a put that many
// bytes, answered by one byte; for a get the answer is that many bytes; an echo carries them both ways. What is received is
// counted and dropped, which is less than the bulk lane does: it delivers each body in one buffer.

import type { Service } from '../../src/base/ports.ts';
import { createServer as createTcpServer, connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import type { Stream } from '@libp2p/interface';
import type { NetworkId, NodeId } from '../../src/base/ids.ts';
import { createBulkClient } from '../../src/runtime/bulk/client.ts';
import { credentialsFor } from '../../src/runtime/bulk/certificate.ts';
import { formatEndpoint } from '../../src/runtime/bulk/endpoint.ts';
import { createBulkServer } from '../../src/runtime/bulk/server.ts';
import { nativeSigner } from '../../src/runtime/crypto.ts';

export type StackName = 'bulk' | 'tls-onread' | 'tls' | 'tcp' | 'libp2p';
export type Kind = 'put' | 'get' | 'echo';

export interface Job {
  readonly kind: Kind;
  readonly length: number;
  readonly count: number;
  readonly inFlight: number;
}

/** Microseconds of CPU and milliseconds of wall time. */
export interface Cost {
  readonly cpuUs: number;
  readonly wallMs: number;
}

interface Pipe {
  /** Resolves when more may be sent. */
  send(bytes: Uint8Array): Promise<void>;
  onData(take: (bytes: Uint8Array) => void): void;
}

type Call = (job: Job) => Promise<void>;

const HOST = '127.0.0.1';
const PROTOCOL = '/lane-bench';
const network = new Uint8Array(32) as NetworkId;
const serverSigner = nativeSigner(new Uint8Array(32).fill(1));
const clientSigner = nativeSigner(new Uint8Array(32).fill(2));
const body = new Uint8Array(8 << 20).map((_, index) => index * 31);

// ---- Serving ---------------------------------------------------------------------------------------------------

const SERVERS: Readonly<Record<StackName, () => Promise<number>>> = {
  async bulk() {
    const server = await createBulkServer({ signer: serverSigner, host: HOST, port: 0, network });
    const bounds = {
      maxHeaderLength: 64,
      timeoutMs: 60_000,
      maxConcurrentPerPeer: 64,
      maxPerSecondPerPeer: 1_000_000,
      maxBodyLength: body.length,
    };
    const header = new Uint8Array(1);
    const put: Service = {
      ...bounds,
      name: 'put',
      isBodyBorrowed: true,
      handle: async () => ({ header }),
    };
    server.serve(put);
    server.serve({
      ...bounds,
      name: 'echo',
      handle: async (_from, _header, got) => ({ header, body: [got] }),
    });
    server.serve({
      ...bounds,
      name: 'get',
      handle: async (_from, asked) => ({
        header,
        body: [body.subarray(0, new DataView(asked.buffer).getUint32(0))],
      }),
    });
    return server.address.port;
  },
  async tls() {
    const credentials = await credentialsFor(serverSigner);
    const server = createTlsServer({ ...credentials, minVersion: 'TLSv1.3', noDelay: true }, (socket) => {
      servePipe(socketPipe(socket));
    });
    return await listen(server);
  },
  'tls-onread': () => SERVERS.tls(),
  tcp: () => listen(createTcpServer({ noDelay: true }, (socket) => servePipe(socketPipe(socket)))),
  async libp2p() {
    const node = await libp2pNode([`/ip4/${HOST}/tcp/0`]);
    await node.handle(PROTOCOL, (stream) => servePipe(streamPipe(stream)));
    return node
      .getMultiaddrs()[0]!
      .getComponents()
      .map((part) => (part.name === 'tcp' ? Number(part.value) : 0))
      .find((port) => port > 0)!;
  },
};

/** Answers requests in order. */
function servePipe(pipe: Pipe): void {
  const head = Buffer.alloc(5);
  let headFilled = 0;
  let left = 0;
  let answering = Promise.resolve();
  const answer = (): void => {
    headFilled = 0;
    const kind = head[0];
    const bytes = kind === 0 ? body.subarray(0, 1) : body.subarray(0, head.readUInt32BE(1));
    answering = answering.then(() => pipe.send(bytes));
  };
  pipe.onData((bytes) => {
    let offset = 0;
    while (offset < bytes.length) {
      if (headFilled < 5) {
        head[headFilled++] = bytes[offset++]!;
        if (headFilled < 5) continue;
        left = head[0] === 1 ? 0 : head.readUInt32BE(1);
      }
      const count = Math.min(left, bytes.length - offset);
      offset += count;
      left -= count;
      if (left === 0) answer();
    }
  });
}

// ---- Calling ---------------------------------------------------------------------------------------------------

const CALLERS: Readonly<Record<StackName, (port: number) => Promise<Call>>> = {
  async bulk(port) {
    const client = createBulkClient({ signer: clientSigner, network });
    const peer = serverSigner.publicKey as NodeId;
    const endpoints = [formatEndpoint(HOST, port)];
    const target = new Uint8Array(body.length);
    return ({ kind, length, count, inFlight }) => {
      const header = new Uint8Array(4);
      new DataView(header.buffer).setUint32(0, length);
      const request = kind === 'get' ? { header } : { header, body: [body.subarray(0, length)] };
      const options = { maxBodyLength: length, into: (got: number) => target.subarray(0, got) };
      return many(
        count,
        inFlight,
        async () => void (await client.call(peer, endpoints, kind, request, options)),
      );
    };
  },
  async tls(port) {
    const socket = connectTls({ port, host: HOST, rejectUnauthorized: false });
    socket.setNoDelay(true);
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    return pipeCaller(socketPipe(socket));
  },
  async 'tls-onread'(port) {
    const reader = createReader();
    const options = { port, host: HOST, rejectUnauthorized: false, onread: reader.onread };
    const socket = connectTls(options);
    socket.setNoDelay(true);
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    return pipeCaller({ ...socketPipe(socket), onData: reader.onData });
  },
  async tcp(port) {
    const reader = createReader();
    const socket = connectTcp({ port, host: HOST, noDelay: true, onread: reader.onread });
    await new Promise((resolve) => socket.once('connect', resolve));
    return pipeCaller({ ...socketPipe(socket), onData: reader.onData });
  },
  async libp2p(port) {
    const node = await libp2pNode([]);
    const { multiaddr } = await import('@multiformats/multiaddr');
    return pipeCaller(streamPipe(await node.dialProtocol(multiaddr(`/ip4/${HOST}/tcp/${port}`), PROTOCOL)));
  },
};

/** Calls over one pipe; answers come in order. */
function pipeCaller(pipe: Pipe): Call {
  const waiting: { left: number; resolve: () => void }[] = [];
  pipe.onData((bytes) => {
    let offset = 0;
    while (offset < bytes.length && waiting.length > 0) {
      const first = waiting[0]!;
      const count = Math.min(first.left, bytes.length - offset);
      first.left -= count;
      offset += count;
      if (first.left > 0) return;
      waiting.shift();
      first.resolve();
    }
  });
  return ({ kind, length, count, inFlight }) => {
    const head = Buffer.alloc(5);
    head[0] = ['put', 'get', 'echo'].indexOf(kind);
    head.writeUInt32BE(length, 1);
    const isSmall = length <= 16_384;
    const request = kind === 'get' ? head : isSmall ? Buffer.concat([head, body.subarray(0, length)]) : head;
    return many(count, inFlight, async () => {
      const answered = new Promise<void>((resolve) => {
        waiting.push({ left: kind === 'put' ? 1 : length, resolve });
      });
      const sent = pipe.send(request);
      if (kind !== 'get' && !isSmall) await pipe.send(body.subarray(0, length));
      await sent;
      await answered;
    });
  };
}

/** `count` times `work`, `inFlight` at a time. */
async function many(count: number, inFlight: number, work: () => Promise<void>): Promise<void> {
  let left = count;
  const lane = async (): Promise<void> => {
    while (left-- > 0) await work();
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
}

// ---- Pipes -----------------------------------------------------------------------------------------------------

function socketPipe(socket: Socket): Pipe {
  socket.on('error', () => {});
  let drained: Promise<void> | undefined;
  return {
    send(bytes) {
      if (socket.write(bytes)) return Promise.resolve();
      drained ??= new Promise((resolve) => {
        socket.once('drain', () => {
          drained = undefined;
          resolve();
        });
      });
      return drained;
    },
    onData: (take) => void socket.on('data', take),
  };
}

/** For dialled sockets: received into one buffer, without an allocation per chunk. */
function createReader(): {
  readonly onread: { buffer: Buffer; callback: (length: number, buffer: Uint8Array) => boolean };
  readonly onData: Pipe['onData'];
} {
  let taker: ((bytes: Uint8Array) => void) | undefined;
  const callback = (length: number, buffer: Uint8Array): boolean => {
    taker?.(buffer.subarray(0, length));
    return true;
  };
  return {
    onread: { buffer: Buffer.allocUnsafeSlow(65_536), callback },
    onData: (take) => void (taker = take),
  };
}

function streamPipe(stream: Stream): Pipe {
  return {
    async send(bytes) {
      if (!stream.send(bytes)) await stream.onDrain();
    },
    onData: (take) =>
      stream.addEventListener('message', (event) => {
        const { data } = event as unknown as { data: Uint8Array | Iterable<Uint8Array> };
        if (data instanceof Uint8Array) take(data);
        else for (const part of data) take(part);
      }),
  };
}

// biome-ignore lint: the type of a node is long and inferred
async function libp2pNode(listenOn: string[]) {
  const [{ createLibp2p }, { tcp }, { noise }, { yamux }] = await Promise.all([
    import('libp2p'),
    import('@libp2p/tcp'),
    import('@libp2p/noise'),
    import('@libp2p/yamux'),
  ]);
  return await createLibp2p({
    addresses: { listen: listenOn },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
  });
}

async function listen(server: ReturnType<typeof createTcpServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  return (server.address() as { port: number }).port;
}

// ---- Process ---------------------------------------------------------------------------------------------------

async function main(role: string, stack: StackName, port: number): Promise<void> {
  const call = role === 'call' ? await CALLERS[stack](port) : undefined;
  const ready = call === undefined ? await SERVERS[stack]() : 0;
  process.on('message', (job: Job | 'cpu') => {
    void (async () => {
      const [cpu, start] = [process.cpuUsage(), performance.now()];
      if (job !== 'cpu') await call!(job);
      const used = job === 'cpu' ? cpu : process.cpuUsage(cpu);
      process.send!({ cpuUs: used.user + used.system, wallMs: performance.now() - start } satisfies Cost);
    })();
  });
  process.on('disconnect', () => process.exit(0));
  process.send!(ready);
}

if (process.send !== undefined && (process.argv[2] === 'serve' || process.argv[2] === 'call')) {
  await main(process.argv[2], process.argv[3] as StackName, Number(process.argv[4] ?? 0));
}
