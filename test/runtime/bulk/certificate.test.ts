import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect as connectTcp, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { connect, createServer, type SecureVersion, type Server, type TLSSocket } from 'node:tls';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fromHex, toHex } from '../../../src/base/bytes.ts';
import type { StoreError } from '../../../src/base/errors.ts';
import {
  type Credentials,
  createCredentials,
  credentialsFor,
  verifyCertificate,
} from '../../../src/runtime/bulk/certificate.ts';
import { formatEndpoint } from '../../../src/runtime/bulk/endpoint.ts';
import { ANSWER_PREFIX_LENGTH, decodeAnswerPrefix } from '../../../src/runtime/bulk/frame.ts';
import { decodeRefusal } from '../../../src/runtime/refusal.ts';
import { nodeOf, signerOf, startClient, startServer } from './fixture.ts';
import { type Forgery, forge } from './forge.ts';

const DAY_MS = 86_400_000;
const vectors = JSON.parse(
  readFileSync(new URL('../../vectors/libp2p-tls.json', import.meta.url), 'utf8'),
) as {
  validEd25519: { node: string; certificate: string };
  otherKeyTypes: Record<string, string>;
  wrongIdentity: string;
  wrongSelfSignature: string;
};

/** What is wrong, and what the refusal must say. */
const broken: readonly [string, Partial<Forgery>, RegExp][] = [
  ['no extension', { hasExtension: false }, /no libp2p extension/],
  ['two extensions', { hasExtensionTwice: true }, /no libp2p extension, or several/],
  ['an identity that did not sign', { voucher: signerOf(4) }, /not vouched for/],
  ["an extension copied from the identity's own certificate", { isCopied: true }, /not vouched for/],
  [
    'an expired one',
    { notBeforeMs: Date.now() - 2 * DAY_MS, notAfterMs: Date.now() - DAY_MS },
    /has expired/,
  ],
  [
    'one not yet valid',
    { notBeforeMs: Date.now() + DAY_MS, notAfterMs: Date.now() + 2 * DAY_MS },
    /not yet valid/,
  ],
  ['one not signed by itself', { isForeign: true }, /not signed by its own key/],
];

describe('certificates alone', () => {
  test('ours stands for its signer, is made once a process, and its TLS key is not the identity key', async () => {
    const credentials = await credentialsFor(signerOf(1));
    expect(await credentialsFor(signerOf(1))).toBe(credentials);
    const { raw, publicKey } = new X509Certificate(credentials.cert);
    expect(await verifyCertificate(raw, true, Date.now())).toEqual(nodeOf(1));
    expect(publicKey.asymmetricKeyType).toBe('ec');
    const again = await createCredentials(signerOf(1), { notBeforeMs: 0, notAfterMs: Date.now() + DAY_MS });
    expect(again.key).not.toBe(credentials.key);
  });

  test('what the specification calls valid is accepted, with the right id', async () => {
    const node = await verifyCertificate(fromHex(vectors.validEd25519.certificate), true, Date.now());
    expect(toHex(node)).toBe(vectors.validEd25519.node);
  });

  test('what the specification calls invalid is refused', async () => {
    for (const hex of [vectors.wrongIdentity, vectors.wrongSelfSignature]) {
      await expect(verifyCertificate(fromHex(hex), true, Date.now())).rejects.toMatchObject({
        code: 'PROTOCOL',
      });
    }
  });

  test('valid certificates of other identity keys are refused: a node id is an ed25519 key', async () => {
    for (const hex of Object.values(vectors.otherKeyTypes)) {
      const refusal = verifyCertificate(fromHex(hex), true, Date.now());
      await expect(refusal).rejects.toThrow('not that of an ed25519 identity');
    }
  });

  test('the TLS key may be of any kind that OpenSSL can verify', async () => {
    for (const keyType of ['P-256', 'Ed25519', 'RSA'] as const) {
      const { der } = await forge({ identity: signerOf(3), keyType });
      expect(await verifyCertificate(der, true, Date.now())).toEqual(nodeOf(3));
    }
  });

  test.each(broken)('%s is refused', async (_name, forgery, reason) => {
    const { der } = await forge({ identity: signerOf(3), ...forgery });
    const refusal = verifyCertificate(der, true, Date.now());
    await expect(refusal).rejects.toMatchObject({
      code: 'PROTOCOL',
      message: expect.stringMatching(reason) as string,
    });
  });

  test('any changed byte, any cut and any garbage is a refusal, never an accepted other identity', async () => {
    const { der } = await forge({ identity: signerOf(3) });
    const verdict = async (bytes: Uint8Array): Promise<string> => {
      try {
        return toHex(await verifyCertificate(bytes, true, Date.now()));
      } catch (error) {
        return (error as StoreError).code;
      }
    };
    const changed = fc.tuple(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }));
    await fc.assert(
      fc.asyncProperty(changed, async ([offset, flip]) => {
        const bytes = der.slice();
        bytes[offset]! ^= flip;
        expect(await verdict(bytes)).toBe('PROTOCOL');
      }),
    );
    for (const bytes of [
      new Uint8Array(),
      der.subarray(0, 100),
      new Uint8Array(5000),
      Buffer.concat([der, der]),
    ]) {
      expect(await verdict(bytes)).toBe('PROTOCOL');
    }
  });
});

describe('our server', () => {
  test.each(broken)('refuses a caller with %s', async (_name, forgery, reason) => {
    const answer = await callerWith(await forge({ identity: signerOf(3), ...forgery }));
    expect(answer).toMatch(/^PROTOCOL/);
    expect(answer).toMatch(reason);
  });

  test('refuses a caller without certificate, with two, or of another protocol', async () => {
    const [good, other] = [await forge({ identity: signerOf(3) }), await forge({ identity: signerOf(4) })];
    expect(await callerWith(undefined)).toMatch(/^PROTOCOL.*no certificate/);
    expect(await callerWith({ cert: `${good.cert}\n${other.cert}`, key: good.key })).toMatch(
      /^PROTOCOL.*followed by another/,
    );
    expect(await callerWith(good, { protocols: ['h2'] })).toMatch(/^ERR_SSL|^UNREACHABLE|^ECONNRESET/);
    expect(await callerWith(good, { protocols: undefined })).toMatch(/^PROTOCOL.*does not speak/);
  });

  test('does not speak TLS 1.2', async () => {
    const answer = await callerWith(await forge({ identity: signerOf(3) }), { maxVersion: 'TLSv1.2' });
    expect(answer).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
  });

  test('survives callers that speak no TLS at all', async () => {
    const { server, endpoints } = await startServer();
    const socket = connectTcp(server.address.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.end('GET / HTTP/1.1\r\n\r\n');
    await new Promise((resolve) => socket.on('close', resolve));
    await startClient().connect(endpoints[0]!);
  });
});

describe('our client', () => {
  test.each(broken)('refuses a server with %s', async (_name, forgery, reason) => {
    const failure = dialTo(await forge({ identity: signerOf(3), ...forgery }));
    await expect(failure).rejects.toMatchObject({
      code: 'PROTOCOL',
      message: expect.stringMatching(reason) as string,
    });
  });

  test('refuses a server with two certificates', async () => {
    const [good, other] = [await forge({ identity: signerOf(3) }), await forge({ identity: signerOf(4) })];
    await expect(dialTo({ cert: `${good.cert}\n${other.cert}`, key: good.key })).rejects.toThrow(
      'followed by another',
    );
  });

  test('refuses a server of TLS 1.2, of another protocol, or of none', async () => {
    const good = await forge({ identity: signerOf(3) });
    await expect(dialTo(good, { maxVersion: 'TLSv1.2' })).rejects.toMatchObject({ code: 'PROTOCOL' });
    await expect(dialTo(good, { protocols: ['h2'] })).rejects.toMatchObject({ code: 'PROTOCOL' });
    await expect(dialTo(good, { protocols: undefined })).rejects.toThrow('does not speak the bulk lane');
    const plain = createTcpServer((socket) => socket.on('error', () => {}).end('220 hello\r\n'));
    await expect(dialToServer(plain)).rejects.toMatchObject({ code: 'PROTOCOL' });
  });
});

interface Peculiarities {
  readonly maxVersion?: SecureVersion;
  readonly protocols?: string[] | undefined;
}

function tlsOptions(peculiarities: Peculiarities): { maxVersion: SecureVersion; ALPNProtocols?: string[] } {
  const protocols = 'protocols' in peculiarities ? peculiarities.protocols : ['holdfast-bulk'];
  const alpn = protocols === undefined ? {} : { ALPNProtocols: protocols };
  return { maxVersion: peculiarities.maxVersion ?? 'TLSv1.3', ...alpn };
}

/** What our server says to a caller who shows `credentials`: the refusal, or the error of the connection. */
async function callerWith(
  credentials: Credentials | undefined,
  peculiarities: Peculiarities = {},
): Promise<string> {
  const { server, peer } = await startServer();
  const socket: TLSSocket = connect({
    port: server.address.port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ...tlsOptions(peculiarities),
    ...credentials,
  });
  const chunks: Buffer[] = [];
  let failure = 'UNREACHABLE';
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', (error: NodeJS.ErrnoException) => (failure = String(error.code)));
  await new Promise((resolve) => socket.on('close', resolve));
  const bytes = Buffer.concat(chunks);
  if (bytes.length === 0) return failure;
  const { headerLength } = decodeAnswerPrefix(bytes);
  const refusal = decodeRefusal(
    bytes.subarray(ANSWER_PREFIX_LENGTH, ANSWER_PREFIX_LENGTH + headerLength),
    peer,
  );
  return `${refusal.code}: ${refusal.message}`;
}

/** Our client's attempt at a server that shows `credentials`. */
async function dialTo(credentials: Credentials, peculiarities: Peculiarities = {}): Promise<unknown> {
  const server = createServer({
    requestCert: true,
    rejectUnauthorized: false,
    ...tlsOptions(peculiarities),
    cert: credentials.cert,
    key: credentials.key,
  });
  server.on('secureConnection', (socket) => socket.on('error', () => {}));
  server.on('tlsClientError', () => {});
  return await dialToServer(server);
}

async function dialToServer(server: Server | TcpServer): Promise<unknown> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  return await startClient().connect(formatEndpoint('127.0.0.1', port));
}
