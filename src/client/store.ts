// `createStore`: the library on real ports. Everything heavy (network, coder, libp2p below it) is loaded when the store is
// opened, not when the library is imported.

import { isAbsolute, resolve } from 'node:path';
import { fromHex } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import { CLIENT_CODER_MEMORY } from '../base/limits.ts';
import type { NetworkId } from '../base/ids.ts';
import type { Coder } from '../base/ports.ts';
import type { GroupHasher } from '../replication/blake3.ts';
import { fileOwnerKey, homeFolder, type KeyChoice } from './home.ts';
import type { NetworkDescription, Store, StoreOptions } from './types.ts';

const MEMORY_FOR_TWO_WORKERS: number = 128 * 1024 * 1024;
const MEMORY_MIN: number = 1024 * 1024;

/**
 * Opens the network of a home as a client. Nothing is asked of the network yet. Throws NOT_FOUND (no network configured),
 * INVALID_CONFIG, INVALID_IDENTITY, INVALID_ARGUMENT, DISK.
 *
 *     const store = await createStore();
 *     const { uri } = await store.put('hello');
 *     await store.close();
 */
export async function createStore(options: StoreOptions = {}): Promise<Store> {
  checkOptions(options);
  const home = homeFolder(options.home);
  const description = await describe(home, options.network);
  const networkId = fromHex(description.network) as NetworkId;
  const [{ createStoreOver }, { createClientNetwork }, { ephemeralIdentity }] = await Promise.all([
    import('./operations.ts'),
    import('../runtime/network.ts'),
    import('../runtime/identity.ts'),
  ]);
  const { systemClock } = await import('../runtime/clock.ts');
  const { systemRandom } = await import('../runtime/random.ts');
  const { nativeSha256, nativeVerify } = await import('../runtime/crypto.ts');
  const preSharedKey = await presharedKeyOf(home, description);
  const network = createClientNetwork({
    identity: ephemeralIdentity(),
    networkId,
    clock: systemClock,
    ...(preSharedKey === undefined ? {} : { preSharedKey }),
    ...(options.lane === 'control' ? { lane: 'control' as const } : {}),
  });
  const coder = await openCoder(options.memoryBytes);
  return createStoreOver(
    {
      clock: systemClock,
      random: systemRandom,
      network,
      coder,
      verify: nativeVerify,
      sha256: nativeSha256,
      hasher: await openHasher(),
      owner: fileOwnerKey(home, keyChoice(options)),
    },
    {
      networkId,
      name: description.name,
      bootstrap: description.bootstrap,
      home,
      ...(options.memoryBytes === undefined ? {} : { memoryBytes: options.memoryBytes }),
      ...(options.trust === undefined ? {} : { trust: options.trust }),
      ...(options.onChainWait === undefined ? {} : { onChainWait: options.onChainWait }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      onClose: async () => {
        await Promise.allSettled([network.close(), coder.close()]);
      },
    },
  );
}

function keyChoice({ key, passphrase }: StoreOptions): KeyChoice {
  return {
    ...(key === undefined ? {} : { name: key }),
    ...(passphrase === undefined ? {} : { passphrase }),
  };
}

function checkOptions({ lane, memoryBytes }: StoreOptions): void {
  if (lane !== undefined && lane !== 'bulk' && lane !== 'control') {
    throw new StoreError('INVALID_ARGUMENT', `there is no lane ${JSON.stringify(lane)}`, {
      next: 'Choose bulk or control.',
    });
  }
  if (memoryBytes !== undefined && !(Number.isSafeInteger(memoryBytes) && memoryBytes >= MEMORY_MIN)) {
    throw new StoreError('INVALID_ARGUMENT', `${memoryBytes} bytes of memory are not possible`, {
      next: 'Choose at least 1 MiB; one segment is always held, however large.',
    });
  }
}

async function describe(home: string, given: NetworkDescription | undefined): Promise<NetworkDescription> {
  const { checkDescription, readNetworkFile } = await import('./network-file.ts');
  return given === undefined ? readNetworkFile(home) : checkDescription(given, 'in the options');
}

async function openCoder(memoryBytes: number | undefined): Promise<Coder> {
  const { createCoder } = await import('../runtime/coder/coder.ts');
  // A worker costs some 25 MB; a second one helps only where several segments are in flight.
  const workers = (memoryBytes ?? 0) >= MEMORY_FOR_TWO_WORKERS ? 2 : 1;
  return createCoder({ workers, maxMemory: Math.max(CLIENT_CODER_MEMORY, memoryBytes ?? 0) });
}

async function openHasher(): Promise<GroupHasher> {
  const { createBlake3Hasher, isBlake3KernelSupported } = await import('../runtime/kernel/blake3-kernel.ts');
  if (isBlake3KernelSupported()) return createBlake3Hasher();
  return (await import('../replication/blake3.ts')).portableHasher;
}

/** 64 hex digits in a file that only its owner may read; relative paths count from the home. */
async function presharedKeyOf(
  home: string,
  { presharedKeyFile }: NetworkDescription,
): Promise<Uint8Array | undefined> {
  if (presharedKeyFile === undefined) return undefined;
  const { readPrivateFile } = await import('../runtime/files.ts');
  const path = isAbsolute(presharedKeyFile) ? presharedKeyFile : resolve(home, presharedKeyFile);
  const text = new TextDecoder().decode(await readPrivateFile(path)).trim();
  if (/^[0-9a-f]{64}$/.test(text)) return fromHex(text);
  throw new StoreError('INVALID_CONFIG', `${path} is not a pre-shared key of 64 hex digits`, {
    next: 'Copy the file from a node of this network again, whole.',
  });
}
