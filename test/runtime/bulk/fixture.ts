// What tests of the bulk lane share: identities from small numbers, a server with an echo service, and clients that
// are closed when the test is over.

import { onTestFinished } from 'vitest';
import type { NetworkId, NodeId } from '../../../src/base/ids.ts';
import type { Service, Signer } from '../../../src/base/ports.ts';
import {
  type BulkClient,
  type BulkClientOptions,
  createBulkClient,
} from '../../../src/runtime/bulk/client.ts';
import { formatEndpoint } from '../../../src/runtime/bulk/endpoint.ts';
import {
  type BulkServer,
  type BulkServerOptions,
  createBulkServer,
} from '../../../src/runtime/bulk/server.ts';
import { nativeSigner } from '../../../src/runtime/crypto.ts';

export const NETWORK: NetworkId = new Uint8Array(32).fill(9) as NetworkId;

const signers = new Map<number, Signer>();

/** The same identity for the same number, so that its certificate is made once. */
export function signerOf(index: number): Signer {
  const signer = signers.get(index) ?? nativeSigner(new Uint8Array(32).fill(index));
  signers.set(index, signer);
  return signer;
}

export function nodeOf(index: number): NodeId {
  return signerOf(index).publicKey as NodeId;
}

/** Answers with the header and body it got. */
export function echo(overrides: Partial<Service> = {}): Service {
  return {
    name: 'echo',
    maxHeaderLength: 1024,
    maxBodyLength: 8 << 20,
    timeoutMs: 5000,
    maxConcurrentPerPeer: 100,
    maxPerSecondPerPeer: 10_000,
    handle: async (_from, header, body) => ({ header, body: [body] }),
    ...overrides,
  };
}

export interface Running {
  readonly server: BulkServer;
  readonly peer: NodeId;
  readonly endpoints: readonly string[];
}

/** A server of identity 1 with these services, or an echo. */
export async function startServer(
  options: Partial<BulkServerOptions> = {},
  services: readonly Service[] = [echo()],
): Promise<Running> {
  const signer = options.signer ?? signerOf(1);
  const server = await createBulkServer({ signer, host: '127.0.0.1', port: 0, network: NETWORK, ...options });
  onTestFinished(() => server.close(0));
  for (const service of services) server.serve(service);
  const { host, port } = server.address;
  return { server, peer: signer.publicKey as NodeId, endpoints: [formatEndpoint(host, port)] };
}

/** A client of identity 2. */
export function startClient(options: Partial<BulkClientOptions> = {}): BulkClient {
  const client = createBulkClient({ signer: signerOf(2), network: NETWORK, ...options });
  onTestFinished(() => client.close());
  return client;
}

/** `length` bytes that are all different enough for a shifted or doubled part to show. */
export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) bytes[index] = (index * 31 + (index >>> 8) * 7) & 255;
  return bytes;
}
