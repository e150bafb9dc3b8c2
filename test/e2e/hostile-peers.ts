// `node test/e2e/hostile-peers.ts [--seconds 60] [--connections 200]`: a node's bulk server in a process of its own with
// the limits of production, attacked on many connections while an honest client calls it. Succeeds when the server's
// memory stayed under 1 GB and every honest call was answered. Exit code 0 or 1.

import { type ChildProcess, fork } from 'node:child_process';
import { once, setMaxListeners } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { NetworkId, NodeId } from '../../src/base/ids.ts';
import { createBulkClient } from '../../src/runtime/bulk/client.ts';
import { formatEndpoint } from '../../src/runtime/bulk/endpoint.ts';
import { createBulkServer } from '../../src/runtime/bulk/server.ts';
import { nativeSigner } from '../../src/runtime/crypto.ts';
import { attack } from '../adversaries/bulk-peers.ts';

const RSS_MAX = 1e9;
const MAX_BODY_LENGTH = 4 << 20;
const network = new Uint8Array(32).fill(9) as NetworkId;
const serverSigner = nativeSigner(new Uint8Array(32).fill(1));

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    connections: { type: 'string', default: '200' },
    serve: { type: 'boolean', default: false },
  },
});
if (values.serve) await serve();
else process.exitCode = (await run(Number(values.seconds), Number(values.connections))) ? 0 : 1;

async function serve(): Promise<void> {
  const server = await createBulkServer({ signer: serverSigner, host: '127.0.0.1', port: 0, network });
  server.serve({
    name: 'echo',
    maxHeaderLength: 1024,
    maxBodyLength: MAX_BODY_LENGTH,
    timeoutMs: 10_000,
    maxConcurrentPerPeer: 8,
    maxPerSecondPerPeer: 1000,
    handle: async (_from, header, body) => ({ header, body: [body] }),
  });
  let rssMax = 0;
  setInterval(() => {
    rssMax = Math.max(rssMax, process.memoryUsage.rss());
  }, 200).unref();
  process.on('message', () => process.send!({ rssMax, connections: server.connections }));
  process.on('disconnect', () => process.exit(0));
  process.send!(server.address.port);
}

async function run(seconds: number, connections: number): Promise<boolean> {
  const server = fork(fileURLToPath(import.meta.url), ['--serve'], { stdio: ['ignore', 2, 2, 'ipc'] });
  try {
    const [port] = (await once(server, 'message')) as [number];
    const stop = new AbortController();
    setMaxListeners(0, stop.signal);
    const target = { host: '127.0.0.1', port, network, service: 'echo', maxBodyLength: MAX_BODY_LENGTH };
    const strangers = Array.from({ length: 40 }, (_, index) =>
      nativeSigner(new Uint8Array(32).fill(100 + index)),
    );
    const attacking = attack(target, strangers, connections, stop.signal);
    const honest = await callFor(port, seconds * 1000);
    stop.abort();
    const attacks = await attacking;
    const { rssMax } = await report(server);
    const isGood = honest.failed === 0 && honest.calls > 0 && rssMax < RSS_MAX;
    const summary = { isGood, seconds, attacks, ...honest, rssMaxMb: Math.round(rssMax / 1e6) };
    process.stdout.write(`${JSON.stringify(summary)}\n`);
    return isGood;
  } finally {
    server.kill();
  }
}

/** One honest call after the other, of 256 KiB each way. */
async function callFor(
  port: number,
  timeMs: number,
): Promise<{ calls: number; failed: number; slowestMs: number }> {
  const client = createBulkClient({ signer: nativeSigner(new Uint8Array(32).fill(2)), network });
  const endpoints = [formatEndpoint('127.0.0.1', port)];
  const body = new Uint8Array(256 * 1024).map((_, index) => index * 13 + (index >>> 8));
  const [endAt, header] = [performance.now() + timeMs, new Uint8Array(9)];
  const result = { calls: 0, failed: 0, slowestMs: 0 };
  while (performance.now() < endAt) {
    const start = performance.now();
    try {
      const peer = serverSigner.publicKey as NodeId;
      const reply = await client.call(
        peer,
        endpoints,
        'echo',
        { header, body: [body] },
        { maxBodyLength: body.length },
      );
      if (Buffer.compare(reply.body, body) !== 0) throw new Error('other bytes came back');
      result.calls += 1;
    } catch (error) {
      result.failed += 1;
      process.stderr.write(`honest call failed: ${String(error)}\n`);
    }
    result.slowestMs = Math.max(result.slowestMs, Math.round(performance.now() - start));
  }
  await client.close();
  return result;
}

async function report(server: ChildProcess): Promise<{ rssMax: number }> {
  const answer = once(server, 'message');
  server.send('report');
  const [message] = (await answer) as [{ rssMax: number }];
  return message;
}
