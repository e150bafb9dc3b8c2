import { expect, test } from 'vitest';
import { parseHttpPort } from '../../cli/args.ts';
import { configFlags, newNodeConfig } from '../../cli/node-folder.ts';
import { StoreError } from '../../src/base/errors.ts';

const listen = (port: number) => ({ listen: { host: '127.0.0.1', port } });

test('a new node serves HTTP after its two lanes, wherever those are', () => {
  expect(newNodeConfig({})).toEqual({ httpPort: 4003 });
  expect(newNodeConfig(listen(5001))).toMatchObject({ controlPort: 5001, bulkPort: 5002, httpPort: 5003 });
  expect(newNodeConfig(listen(0))).toMatchObject({ controlPort: 0, bulkPort: 0, httpPort: 0 });
});

test('who says otherwise about HTTP is heard', () => {
  expect(newNodeConfig({ httpPort: 'off' })).toEqual({ httpPort: 'off' });
  expect(newNodeConfig({ ...listen(65_534), httpPort: 80 })).toMatchObject({
    bulkPort: 65_535,
    httpPort: 80,
  });
});

test('a node that is there already keeps what its configuration says, whatever it listens on', () => {
  expect(configFlags(listen(5001))).not.toHaveProperty('httpPort');
});

test('ports beyond the last are refused with the way out', () => {
  expect(() => newNodeConfig(listen(65_534))).toThrow('--listen: HTTP needs the port after the next');
  expect(() => newNodeConfig({ ...listen(65_535), httpPort: 'off' })).toThrow('65535 is the last');
});

test('the port of HTTP is a number of a port, or the word off', () => {
  expect(['off', '0', '65535'].map((text) => parseHttpPort(text, '--http-port'))).toEqual(['off', 0, 65_535]);
  for (const text of ['', 'on', '-1', '65536', '1.5', '0x50']) {
    expect(() => parseHttpPort(text, '--http-port')).toThrow(StoreError);
  }
});
