import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StoreError } from '../../../src/base/errors.ts';
import { formatEndpoint, parseEndpoint } from '../../../src/runtime/bulk/endpoint.ts';

test('addresses and names are read with their port and family', () => {
  expect(parseEndpoint('/ip4/10.0.0.2/tcp/4002/tls')).toEqual({ host: '10.0.0.2', port: 4002, family: 4 });
  expect(parseEndpoint('/ip6/fd00::2/tcp/1/tls')).toEqual({ host: 'fd00::2', port: 1, family: 6 });
  expect(parseEndpoint('/dns4/node.example/tcp/65535/tls')).toEqual({
    host: 'node.example',
    port: 65535,
    family: 4,
  });
  expect(parseEndpoint('/dns6/a/tcp/80/tls').family).toBe(6);
  expect(parseEndpoint('/dns/a-b.c/tcp/80/tls').family).toBe(0);
});

test.each([
  '',
  '10.0.0.2:4002',
  '/ip4/10.0.0.2/tcp/4002',
  '/ip4/10.0.0.2/tcp/4002/tls/',
  '/ip4/10.0.0.2/tcp/4002/tls/p2p/x',
  '/ip4/10.0.0/tcp/4002/tls',
  '/ip4/256.0.0.1/tcp/4002/tls',
  '/ip4/fd00::2/tcp/4002/tls',
  '/ip6/10.0.0.2/tcp/4002/tls',
  '/ip6/fe80::1%eth0/tcp/4002/tls',
  '/dns4/-a/tcp/4002/tls',
  '/dns4/a b/tcp/4002/tls',
  '/dns4/a\n/tcp/4002/tls',
  '/ip4/10.0.0.2/tcp/0/tls',
  '/ip4/10.0.0.2/tcp/65536/tls',
  '/ip4/10.0.0.2/tcp/04002/tls',
  '/ip4/10.0.0.2/udp/4002/tls',
  `/dns4/${'a'.repeat(400)}/tcp/1/tls`,
])('%j is no endpoint', (text) => {
  expect(() => parseEndpoint(text)).toThrow(StoreError);
});

test('what is formatted is parsed again, and no text makes anything else than INVALID_ARGUMENT', () => {
  const hosts = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
  fc.assert(
    fc.property(hosts, fc.integer({ min: 1, max: 65_535 }), (host, port) => {
      expect(parseEndpoint(formatEndpoint(host, port))).toMatchObject({ host, port });
    }),
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((text) => `/ip4/${text}/tcp/1/tls`),
      ),
      (text) => {
        try {
          parseEndpoint(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
        }
      },
    ),
  );
});
