import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fromHex, toHex, toUtf8 } from '../../../src/base/bytes.ts';
import { StoreError } from '../../../src/base/errors.ts';
import type { Signature } from '../../../src/base/ids.ts';
import { fileOwnerKey } from '../../../src/client/home.ts';
import { encodeKeyFile } from '../../../src/client/keys/key-file.ts';
import { keyPath, ownerKeyPath } from '../../../src/client/keys/key-paths.ts';
import {
  changePassphrase,
  chooseDefault,
  createKey,
  exportPhrase,
  type KeyEntry,
  listKeys,
  openKey,
  removeKey,
} from '../../../src/client/keys/keys.ts';
import { seedOfPhrase } from '../../../src/client/keys/phrase.ts';
import { nativeSigner, nativeVerify } from '../../../src/runtime/crypto.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';

const QUICK = { costLog2: 10 };
const PASSPHRASE = 'correct horse battery';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'holdfast-keys-'));
  delete process.env['HOLDFAST_KEY'];
  delete process.env['HOLDFAST_PASSPHRASE_FILE'];
});
afterEach(() => rm(home, { recursive: true, force: true }));

const create = (name: string, passphrase?: string): Promise<KeyEntry> =>
  createKey(home, { name, passphrase }, QUICK);
const knowing = (passphrase: string) => async (): Promise<string> => passphrase;
const notAsked = async (): Promise<string> => {
  throw new Error('asked for a passphrase that is not needed');
};
const names = async (): Promise<string[]> => (await listKeys(home)).map(({ name }) => name);

describe('a protected key', () => {
  test('signs as its account when the passphrase is given', async () => {
    const { publicKey, isProtected } = await create('alice', PASSPHRASE);
    expect(isProtected).toBe(true);
    const signer = await openKey(home, { name: 'alice', passphrase: knowing(PASSPHRASE) });
    expect(toHex(signer.publicKey)).toBe(publicKey);
    const message = toUtf8('message');
    expect(nativeVerify(fromHex(publicKey!), message, signer.sign(message) as Signature)).toBe(true);
  });

  test('is WRONG_KEY with another passphrase, and the failure of asking is passed on', async () => {
    await create('alice', PASSPHRASE);
    await expectCodeAsync(
      'WRONG_KEY',
      openKey(home, { name: 'alice', passphrase: knowing('something else') }),
    );
    const asked = new StoreError('ABORTED', 'nobody there');
    await expect(openKey(home, { passphrase: () => Promise.reject(asked) })).rejects.toBe(asked);
  });

  test('does not lie in any file in plain, and has the usual cost when nothing else is said', async () => {
    const { path } = await createKey(home, { name: 'alice', passphrase: PASSPHRASE });
    const phrase = await exportPhrase(home, 'alice', knowing(PASSPHRASE));
    const text = await readFile(path!, 'utf8');
    expect(text).not.toContain(toHex(seedOfPhrase(phrase)));
    expect(JSON.parse(text)).toMatchObject({ kdf: { name: 'scrypt', n: 131_072, r: 8, p: 1 } });
  });

  test('has a passphrase of some length', async () => {
    await expectCodeAsync('INVALID_ARGUMENT', create('alice', '1234567'));
    expect(await names()).toEqual([]);
  });

  test('in whose file the public key is another one is INVALID_IDENTITY', async () => {
    const publicKey = nativeSigner(new Uint8Array(32)).publicKey;
    const { path } = await create('alice');
    const file = { name: 'alice', publicKey, createdAtMs: 1, seed: new Uint8Array(32).fill(1) };
    await writeFile(path!, encodeKeyFile(file));
    await expectCodeAsync('INVALID_IDENTITY', openKey(home, { name: 'alice', passphrase: notAsked }));
  });
});

describe('which key signs', () => {
  const opened = async (name?: string): Promise<string> =>
    toHex((await openKey(home, { ...(name === undefined ? {} : { name }), passphrase: notAsked })).publicKey);

  test('the named one, else HOLDFAST_KEY, else the chosen one, else the first', async () => {
    const [alice, bob, carol] = [await create('alice'), await create('bob'), await create('carol')];
    expect([alice, bob, carol].map(({ isDefault }) => isDefault)).toEqual([true, false, false]);
    expect(await opened()).toBe(alice.publicKey);
    expect((await chooseDefault(home, 'bob')).isDefault).toBe(true);
    expect(await opened()).toBe(bob.publicKey);
    process.env['HOLDFAST_KEY'] = 'carol';
    expect(await opened()).toBe(carol.publicKey);
    expect(await opened('alice')).toBe(alice.publicKey);
    process.env['HOLDFAST_KEY'] = '../etc';
    await expectCodeAsync('INVALID_ARGUMENT', opened());
  });

  test('owner.key where it is there and nothing was chosen', async () => {
    const owner = await fileOwnerKey(home).loadOrCreate();
    const alice = await create('alice');
    expect(alice.isDefault).toBe(false);
    expect(await opened()).toBe(toHex(owner.publicKey));
    expect(await names()).toEqual(['alice', 'default']);
    await createKey(home, { name: 'bob', passphrase: undefined, isDefault: true }, QUICK);
    expect(await opened()).not.toBe(toHex(owner.publicKey));
    expect(await opened('default')).toBe(toHex(owner.publicKey));
  });

  test('none that is missing: it is NOT_FOUND and no other takes its place', async () => {
    await expectCodeAsync('NOT_FOUND', opened());
    await expectCodeAsync('NOT_FOUND', chooseDefault(home, 'alice'));
    await create('alice');
    await create('bob');
    expect((await removeKey(home, 'alice')).isDefault).toBe(true);
    await expectCodeAsync('NOT_FOUND', opened());
    await expectCodeAsync('NOT_FOUND', fileOwnerKey(home).loadOrCreate());
    // A choice whose key is gone is no choice: the next key made is the default.
    expect((await create('carol')).isDefault).toBe(true);
  });
});

describe('the list', () => {
  test('shows what is known without any passphrase', async () => {
    expect(await listKeys(home)).toEqual([]);
    const alice = await create('alice', PASSPHRASE);
    const bob = await create('bob');
    expect(await listKeys(home)).toEqual([alice, bob]);
    expect(bob).toMatchObject({ isProtected: false, isDefault: false, path: keyPath(home, 'bob') });
    expect(JSON.stringify(await listKeys(home))).not.toContain(await seedHex('bob'));
  });

  test('shows a damaged file as such beside the others', async () => {
    await create('alice');
    const { path } = await create('bob');
    await writeFile(path!, 'rubbish');
    const [alice, bob] = await listKeys(home);
    expect(alice!.error).toBeUndefined();
    expect(bob).toMatchObject({ name: 'bob', publicKey: undefined });
    expect(bob!.error?.code).toBe('INVALID_IDENTITY');
    await removeKey(home, 'bob');
    expect(await names()).toEqual(['alice']);
  });

  const seedHex = async (name: string): Promise<string> =>
    toHex(seedOfPhrase(await exportPhrase(home, name, notAsked)));
});

describe('a recovery phrase', () => {
  test('brings the key back in another home, under any name and passphrase', async () => {
    const { publicKey } = await create('alice', PASSPHRASE);
    const phrase = await exportPhrase(home, 'alice', knowing(PASSPHRASE));
    const seed = seedOfPhrase(phrase);
    const other = join(home, 'other');
    const back = await createKey(other, { name: 'back', passphrase: 'quite another', seed }, QUICK);
    expect(back.publicKey).toBe(publicKey);
    expect(seed.every((byte) => byte === 0)).toBe(true);
    const signer = await openKey(other, { passphrase: knowing('quite another') });
    expect(toHex(signer.publicKey)).toBe(publicKey);
  });

  test('of the key of the first put is the key too', async () => {
    const owner = await fileOwnerKey(home).loadOrCreate();
    const seed = seedOfPhrase(await exportPhrase(home, 'default', notAsked));
    expect(nativeSigner(seed).publicKey).toEqual(owner.publicKey);
  });

  test('needs the passphrase', async () => {
    await create('alice', PASSPHRASE);
    await expectCodeAsync('WRONG_KEY', exportPhrase(home, 'alice', knowing('something else')));
  });
});

describe('another passphrase', () => {
  const next = (passphrase: string | undefined) => async (): Promise<string | undefined> => passphrase;

  test('replaces the old one; without one the key is unprotected; and back', async () => {
    const { publicKey } = await create('alice', PASSPHRASE);
    await changePassphrase(home, 'alice', knowing(PASSPHRASE), next('another horse'), QUICK);
    await expectCodeAsync('WRONG_KEY', openKey(home, { name: 'alice', passphrase: knowing(PASSPHRASE) }));
    const plain = await changePassphrase(home, 'alice', knowing('another horse'), next(undefined), QUICK);
    expect(plain).toMatchObject({ publicKey, isProtected: false });
    const again = await changePassphrase(home, 'alice', notAsked, next(PASSPHRASE), QUICK);
    expect(again).toMatchObject({ publicKey, isProtected: true, createdAtMs: plain.createdAtMs });
  });

  test('is not asked for when the old one is wrong, and refused when short: the key stays as it was', async () => {
    const { path } = await create('alice', PASSPHRASE);
    const before = await readFile(path!, 'utf8');
    const never = async (): Promise<string> => {
      throw new Error('asked too early');
    };
    await expectCodeAsync('WRONG_KEY', changePassphrase(home, 'alice', knowing('wrong one'), never, QUICK));
    await expectCodeAsync(
      'INVALID_ARGUMENT',
      changePassphrase(home, 'alice', knowing(PASSPHRASE), next('short'), QUICK),
    );
    expect(await readFile(path!, 'utf8')).toBe(before);
  });

  test('protects the key of the first put, which no longer lies in owner.key', async () => {
    const owner = await fileOwnerKey(home).loadOrCreate();
    const entry = await changePassphrase(home, 'default', notAsked, next(PASSPHRASE), QUICK);
    expect(entry).toMatchObject({ publicKey: toHex(owner.publicKey), isProtected: true, isDefault: true });
    await expect(stat(ownerKeyPath(home))).rejects.toThrow('ENOENT');
  });
});

describe('the owner key of a home', () => {
  test('is the protected default key; its passphrase is asked for once, however many ask for the key', async () => {
    const { publicKey } = await create('alice', PASSPHRASE);
    const asked: string[] = [];
    const owner = fileOwnerKey(home, {
      passphrase: async (name) => {
        asked.push(name);
        return PASSPHRASE;
      },
    });
    const signers = await Promise.all([owner.loadOrCreate(), owner.load(), owner.loadOrCreate()]);
    expect(signers.map((signer) => toHex(signer!.publicKey))).toEqual([publicKey, publicKey, publicKey]);
    expect(asked).toEqual(['alice']);
    await expect(stat(ownerKeyPath(home))).rejects.toThrow('ENOENT');
  });

  test('can be tried again after a wrong passphrase', async () => {
    await create('alice', PASSPHRASE);
    const answers = ['wrong one', PASSPHRASE];
    const owner = fileOwnerKey(home, { passphrase: async () => answers.shift()! });
    await expectCodeAsync('WRONG_KEY', owner.load());
    expect(await owner.load()).toBeDefined();
  });

  test('takes the passphrase from the file that the environment names, or says what to do', async () => {
    const { publicKey } = await create('alice', PASSPHRASE);
    const none = await expectCodeAsync('UNAUTHORIZED', fileOwnerKey(home).load());
    expect(none.next).toContain('HOLDFAST_PASSPHRASE_FILE');
    const path = join(home, 'passphrase');
    await writeFile(path, `${PASSPHRASE}\n`, { mode: 0o600 });
    process.env['HOLDFAST_PASSPHRASE_FILE'] = path;
    expect(toHex((await fileOwnerKey(home).load())!.publicKey)).toBe(publicKey);
    await chmod(path, 0o644);
    await expectCodeAsync('INVALID_IDENTITY', fileOwnerKey(home).load());
  });

  test('is another key where one is named', async () => {
    await create('alice');
    const bob = await create('bob');
    expect(toHex((await fileOwnerKey(home, { name: 'bob' }).load())!.publicKey)).toBe(bob.publicKey);
    await expectCodeAsync('NOT_FOUND', fileOwnerKey(home, { name: 'carol' }).loadOrCreate());
    expect(await names()).toEqual(['alice', 'bob']);
  });
});
