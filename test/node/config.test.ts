import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StoreError } from '../../src/base/errors.ts';
import { CONFIG_DEFAULTS, loadConfig, type NodeConfig } from '../../src/node/config.ts';
import { parseConfig } from '../../src/node/config-file.ts';
import { formatConfig } from '../../src/node/folder-setup.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';

let folder = '';
let file = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-config-'));
  file = join(folder, 'node.yaml');
});
afterEach(() => rm(folder, { recursive: true }));

async function fromFile(text: string): Promise<NodeConfig> {
  await writeFile(file, text);
  return loadConfig({ file });
}

describe('settings', () => {
  test('are the defaults where nobody says anything, and where there is no file', async () => {
    expect(await loadConfig({})).toEqual(CONFIG_DEFAULTS);
    expect(await loadConfig({ file })).toEqual(CONFIG_DEFAULTS);
    expect(await fromFile('')).toEqual(CONFIG_DEFAULTS);
    expect(await fromFile('# only a comment\n')).toEqual(CONFIG_DEFAULTS);
  });

  test('of a flag beat those of the environment, and those beat the file', async () => {
    await writeFile(file, 'controlPort: 1\nbulkPort: 1\noperator: file\n');
    const environment = { HOLDFAST_CONTROL_PORT: '2', HOLDFAST_BULK_PORT: '2', HOLDFAST_HOST: '' };
    const config = await loadConfig({ file, environment, flags: { bulkPort: '3', host: undefined } });
    expect(config).toMatchObject({
      operator: 'file',
      controlPort: 2,
      bulkPort: 3,
      host: CONFIG_DEFAULTS.host,
    });
  });

  test('may all be given in all three ways', async () => {
    const expected: NodeConfig = {
      host: '10.0.0.2',
      controlPort: 5001,
      bulkPort: 5002,
      httpPort: 5003,
      announce: ['node.example.org', '/ip4/1.2.3.4/tcp/5/tls'],
      capacityBytes: 2 * 2 ** 40,
      reserveBytes: 5_000_000_000,
      operator: 'acme',
      domains: { rack: 'r1', site: 's-2' },
      bootstrap: ['/ip4/10.0.0.1/tcp/4002/tls'],
      presharedKeyFile: '/etc/holdfast/network.psk',
      allowedOwners: ['ab'.repeat(32)],
      scrubDays: 30,
      graceHours: 72,
      keepBlocks: 5000,
      trustHeight: 77,
      trustHash: 'cd'.repeat(32),
      logLevel: 'debug',
    };
    const environment = {
      HOLDFAST_HOST: '10.0.0.2',
      HOLDFAST_CONTROL_PORT: '5001',
      HOLDFAST_BULK_PORT: '5002',
      HOLDFAST_HTTP_PORT: '5003',
      HOLDFAST_ANNOUNCE: 'node.example.org, /ip4/1.2.3.4/tcp/5/tls',
      HOLDFAST_CAPACITY: '2TiB',
      HOLDFAST_RESERVE: '5GB',
      HOLDFAST_OPERATOR: 'acme',
      HOLDFAST_DOMAINS: 'rack=r1,site=s-2',
      HOLDFAST_BOOTSTRAP: '/ip4/10.0.0.1/tcp/4002/tls',
      HOLDFAST_PRESHARED_KEY_FILE: '/etc/holdfast/network.psk',
      HOLDFAST_ALLOWED_OWNERS: 'ab'.repeat(32),
      HOLDFAST_SCRUB_DAYS: '30',
      HOLDFAST_GRACE_HOURS: '72',
      HOLDFAST_KEEP_BLOCKS: '5000',
      HOLDFAST_TRUST_HEIGHT: '77',
      HOLDFAST_TRUST_HASH: 'cd'.repeat(32),
      HOLDFAST_LOG_LEVEL: 'debug',
    };
    expect(await loadConfig({ environment })).toEqual(expected);
    expect(await loadConfig({ flags: expected })).toEqual(expected);
    expect(await fromFile(formatConfig(expected))).toEqual(expected);
  });

  test('leave the variables of other parts of the program alone', async () => {
    const environment = { HOLDFAST_HOME: '/home/x', HOLDFAST_SOMETHING_ELSE: '1', PATH: '/bin' };
    expect(await loadConfig({ environment })).toEqual(CONFIG_DEFAULTS);
  });
});

describe('a configuration that is not understood is refused with', () => {
  test.each([
    ['contolPort: 4001', ':1: contolPort is not a setting', 'Did you mean controlPort?'],
    ['\n\nloglevel: info', ':3: loglevel is not a setting', 'Did you mean logLevel?'],
    ['graceHours: 24', ':1: graceHours must be a whole number from 48 to 8760', undefined],
    ['color: blue', ':1: color is not a setting', 'docs/operating.md lists every setting.'],
    [
      'controlPort: 70000',
      ':1: controlPort must be a whole number from 0 to 65535',
      'docs/operating.md lists every setting with an example.',
    ],
    ['controlPort: 4001\nbulkPort: fast', ':2: bulkPort must be a whole number from 0 to 65535', undefined],
    ['capacity: lots', ':1: capacity must be a size of at least 67108864 bytes, such as 500GiB', undefined],
    ['capacity: 1KiB', ':1: capacity must be a size of at least 67108864 bytes, such as 500GiB', undefined],
    [
      'operator: Acme Inc',
      ':1: operator must be a name of at most 64 of a-z, 0-9, dot, underscore and hyphen',
      undefined,
    ],
    [
      'domains: {rack: R1}',
      ':1: domains must be names and values of a-z, 0-9, dot, underscore and hyphen, such as rack: r1',
      undefined,
    ],
    ['host: example.org', ':1: host must be an IP address of this machine, or 0.0.0.0', undefined],
    [
      'announce: [a b]',
      ':1: announce must be hosts such as 10.0.0.2 or addresses such as /ip4/10.0.0.2/tcp/4002/tls, at most 16',
      undefined,
    ],
    [
      'bootstrap: [10.0.0.2]',
      ':1: bootstrap must be addresses such as /ip4/10.0.0.2/tcp/4002/tls, at most 16',
      undefined,
    ],
    ['logLevel: loud', ':1: logLevel must be one of silent, error, warn, info, debug', undefined],
    ['scrubDays: 0', ':1: scrubDays must be a whole number from 1 to 365', undefined],
    ['allowedOwners: [me]', ':1: allowedOwners must be owner ids of 64 hex digits, at most 4096', undefined],
    ['presharedKeyFile: 5', ':1: presharedKeyFile must be the path of a file', undefined],
    ['host:', ':1: host must be an IP address of this machine, or 0.0.0.0', undefined],
    ['- controlPort', ': not a list of settings such as "controlPort: 4001"', undefined],
    ['host: 10.0.0.2\nhost: 10.0.0.3', ':2: Map keys must be unique', undefined],
    ['operator: &x acme\ndomains: {rack: *x}', ': Alias resolution is disabled', undefined],
    ['a: "', ':1: Missing closing "quote', undefined],
    ['? [a]\n: 1', ':1: a setting must have a name', undefined],
    ['__proto__: {host: 10.0.0.2}', ':1: __proto__ is not a setting', undefined],
  ])('%j', async (text, message, next) => {
    const error = await expectCodeAsync('INVALID_CONFIG', fromFile(text));
    expect(error.message).toBe(file + message);
    if (next !== undefined) expect(error.next).toBe(next);
  });

  test('the variable or flag that is off', async () => {
    const variable = await expectCodeAsync(
      'INVALID_CONFIG',
      loadConfig({ environment: { HOLDFAST_BULK_PORT: '-1' } }),
    );
    expect(variable.message).toBe(
      'environment variable HOLDFAST_BULK_PORT must be a whole number from 0 to 65535',
    );
    const typo = await expectCodeAsync(
      'INVALID_CONFIG',
      loadConfig({ environment: { HOLDFAST_BULKPORT: '1' } }),
    );
    expect(typo.next).toBe('Did you mean HOLDFAST_BULK_PORT?');
    const flag = await expectCodeAsync('INVALID_CONFIG', loadConfig({ flags: { capacityBytes: 'x' } }));
    expect(flag.message).toContain('--capacity must be a size');
  });

  test('a file that is far too long, or a folder', async () => {
    await expectCodeAsync('INVALID_CONFIG', fromFile('#'.repeat(300_000)));
    await expectCodeAsync('DISK', loadConfig({ file: folder }));
  });

  test('whatever the text, a typed error or settings, never a crash', () => {
    const words = fc.constantFrom(
      'host',
      ': ',
      '\n',
      '- ',
      '&a',
      '*a',
      '{',
      '}',
      '[',
      ']',
      '"',
      '!!map',
      '<<',
      '|',
      '0x1',
      '  ',
      '?',
      '#',
      '~',
    );
    const texts = fc.oneof(
      fc.string({ maxLength: 200 }),
      fc.array(words, { maxLength: 30 }).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        try {
          parseConfig(text, 'node.yaml');
        } catch (error) {
          expect(error, String(error)).toBeInstanceOf(StoreError);
          expect((error as StoreError).code).toBe('INVALID_CONFIG');
        }
      }),
      { numRuns: 500 },
    );
  });
});
