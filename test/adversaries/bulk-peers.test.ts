import { setMaxListeners } from 'node:events';
import { expect, test } from 'vitest';
import type { Signer } from '../../src/base/ports.ts';
import { nativeSigner } from '../../src/runtime/crypto.ts';
import { createServiceGuard } from '../../src/runtime/service-guard.ts';
import { echo, NETWORK, pattern, startClient, startServer } from '../runtime/bulk/fixture.ts';
import { attack } from './bulk-peers.ts';

const CONNECTIONS = 200;
const ATTACK_MS = 3000;

test('while 200 connections attack in every way, honest calls go on, and nothing is left of the attack', async () => {
  const guard = createServiceGuard();
  const maxBodyLength = 1 << 20;
  const limits = { handshakeMs: 1500, headerMs: 1000, rateWindowMs: 1000, sweepMs: 100 };
  const { server, peer, endpoints } = await startServer({ guard, limits }, [echo({ maxBodyLength })]);
  const client = startClient();
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const target = { ...server.address, network: NETWORK, service: 'echo', maxBodyLength };
  const attacking = attack(target, strangers(40), CONNECTIONS, stop.signal, 1000);

  const body = pattern(100_000);
  const endAt = performance.now() + ATTACK_MS;
  let calls = 0;
  while (performance.now() < endAt) {
    const reply = await client.call(
      peer,
      endpoints,
      'echo',
      { header: body.subarray(0, 9), body: [body] },
      {
        maxBodyLength: body.length,
      },
    );
    expect(Buffer.compare(reply.body, body)).toBe(0);
    calls += 1;
  }
  stop.abort();
  expect(await attacking).toBeGreaterThan(CONNECTIONS);
  expect(calls).toBeGreaterThan(0);
  await expect.poll(() => server.connections, { timeout: 5000 }).toBe(client.connections);
  await expect.poll(() => [guard.active, guard.heldBytes], { timeout: 5000 }).toEqual([0, 0]);
});

/** Identities that nobody knows. */
function strangers(count: number): Signer[] {
  return Array.from({ length: count }, (_, index) => nativeSigner(new Uint8Array(32).fill(100 + index)));
}
