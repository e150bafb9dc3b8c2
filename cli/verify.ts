// `store verify`: what a bundle of `store prove` proves, without any network.

import type { Digest, NetworkId } from '../src/base/ids.ts';
import { StoreError } from '../src/base/errors.ts';
import { BUNDLE_LENGTH_MAX, HEIGHT_MAX } from '../src/base/limits.ts';
import type { TrustedBlock } from '../src/client/chain/light-client.ts';
import { parseCount, parseDigest } from './args.ts';
import type { CommandSpec } from './command.ts';

interface VerifyFlags {
  readonly network?: string;
  readonly trustHeight?: number;
  readonly trustHash?: string;
  readonly atItsTime?: boolean;
}

export const verify: CommandSpec = {
  name: 'verify',
  summary: 'verify a bundle of "store prove", without any network',
  operands: '<bundle>',
  completes: 'files',
  options: [
    {
      flags: '--network <hex>',
      help: "id of the network (default: the home's)",
      parse: parseDigest,
    },
    {
      flags: '--trust-height <height>',
      help: 'a block of the bundle that you trust, whose id --trust-hash says',
      parse: parseCount(1, HEIGHT_MAX),
    },
    {
      flags: '--trust-hash <hex>',
      help: 'id of that block, from somebody you trust ("store epoch" prints both)',
      parse: parseDigest,
    },
    {
      flags: '--at-its-time',
      help: 'judge an old bundle as of its own time, not as of today',
    },
  ],
  details: `Exit code 0 when everything holds; 7 when the bundle was damaged or changed. How
the object was is said as of the height of the bundle; "store health" says how
it is now. Validators answer for what they signed for some weeks: a bundle that
begins before needs a later block that you trust, or --at-its-time, which
believes that no key of that time was stolen since.`,
  async run(context, [path], given) {
    const flags = given as unknown as VerifyFlags;
    const { verifyBundle } = await import('../src/client/care/bundle-verify.ts');
    const { nativeSha256, nativeVerify } = await import('../src/runtime/crypto.ts');
    const { anchorsJson, describeBundle, healthIn, hex } = await import('./bundle-show.ts');
    const { healthJson } = await import('./health.ts');
    const trust = await trustOf(flags);
    const verified = verifyBundle(await readBundle(path!), {
      network: await networkOf(context.home, flags),
      ...(trust === undefined ? {} : { trust }),
      nowMs: flags.atItsTime === true ? undefined : Date.now(),
      verify: nativeVerify,
      sha256: nativeSha256,
    });
    if (flags.atItsTime === true)
      context.output.warn('judged as of its own time: a key that was stolen since could have signed it');
    const health = await healthIn(verified);
    context.output.result(await describeBundle(verified, health), {
      verified: true,
      network: hex(verified.bundle.network),
      trustedHeight: verified.trustedHeight,
      owner: hex(verified.facts.record.owner),
      manifest: hex(verified.facts.record.manifest.digest),
      ...(await healthJson(health)),
      anchors: anchorsJson(verified),
    });
    return undefined;
  },
};

/** Throws NOT_FOUND, INVALID_ENCODING, DISK. */
async function readBundle(path: string): Promise<Uint8Array> {
  const { createReadStream } = await import('node:fs');
  const chunks: Buffer[] = [];
  let length = 0;
  const stream = path === '-' ? process.stdin : createReadStream(path);
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > BUNDLE_LENGTH_MAX) throw tooLong(path);
      chunks.push(chunk);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new StoreError('NOT_FOUND', `there is no file ${path}`, {
      next: 'Name a file that "store prove" wrote.',
    });
  }
  return new Uint8Array(Buffer.concat(chunks));
}

function tooLong(path: string): StoreError {
  return new StoreError('INVALID_ENCODING', `${path} is longer than any bundle`, {
    next: 'Give the file that "store prove" wrote.',
  });
}

async function networkOf(home: string, { network }: VerifyFlags): Promise<NetworkId> {
  const { fromHex } = await import('../src/base/bytes.ts');
  if (network !== undefined) return fromHex(network) as NetworkId;
  const { currentNetwork } = await import('./home-network.ts');
  const current = await currentNetwork(home);
  if (current !== undefined) return fromHex(current.network) as NetworkId;
  throw new StoreError(
    'INVALID_ARGUMENT',
    'a bundle is judged by the id of its network, and this home has none',
    {
      next: 'Give it with --network, from somebody you trust.',
    },
  );
}

async function trustOf({ trustHeight, trustHash }: VerifyFlags): Promise<TrustedBlock | undefined> {
  if (trustHeight === undefined && trustHash === undefined) return undefined;
  if (trustHeight === undefined || trustHash === undefined) {
    throw new StoreError('INVALID_ARGUMENT', '--trust-height and --trust-hash name one block together', {
      next: 'Give both.',
    });
  }
  const { fromHex } = await import('../src/base/bytes.ts');
  return { height: trustHeight, id: fromHex(trustHash) as Digest };
}
