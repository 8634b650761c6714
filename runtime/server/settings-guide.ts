/** The guide to the settings, written from their table. `settings.test.ts` keeps the file in step. */

import { acceptedText } from './setting-types.ts';
import { CONFIG_VARIABLE, type SettingTable, variableOf } from './settings-reader.ts';

export function settingsGuide(table: SettingTable): string {
  const rows = Object.entries(table).map(([name, row]) => {
    const value = row.secret ? '' : `\`${row.default}\``;
    return `| \`${name}\` | \`${variableOf(name)}\` | ${value} | ${row.doc} | ${acceptedText(row.type)} |`;
  });
  return `# Settings

<!-- Written from runtime/server/settings.ts. To renew: UPDATE_GUIDE=1 npx vitest run runtime/server/settings.test.ts -->

A setting has a default. The settings file overrides it, and an environment variable overrides both. The file is a
JSON object such as \`{"ingressPort": 8080}\`; \`--config <path>\` or \`${CONFIG_VARIABLE}\` names it. A value that is not
accepted, a name in the file that is no setting and a variable starting with \`HOLDFAST_\` that is no setting stop the
start with [HF_SETTINGS_INVALID](../errors/HF_SETTINGS_INVALID.md).

The address of Lambda is not among them: the AWS client reads \`AWS_REGION\`, credentials and
\`AWS_ENDPOINT_URL_LAMBDA\` as every AWS client does.

| setting | environment variable | default | what it does | accepted |
| --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
}
