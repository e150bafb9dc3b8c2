// Writes docs/openapi.json anew from the table of routes; a test says when it is old.

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openApi } from '../src/node/chain/http/openapi.ts';

const path = fileURLToPath(new URL('../docs/openapi.json', import.meta.url));
writeFileSync(path, JSON.stringify(openApi()));
execFileSync(
  process.execPath,
  [fileURLToPath(new URL('../node_modules/.bin/biome', import.meta.url)), 'format', '--write', path],
  { stdio: 'inherit' },
);
