/** What `strongroom contract new --example` prints: a complete draft with comments. */
export const CONTRACT_EXAMPLE = {
  '//': [
    'A draft: fill it in, then `strongroom contract new --draft FILE --out FILE`.',
    'Members named // are dropped. {"file": PATH} takes a public key from a file.',
  ],
  strongroom: 'contract/v1',
  title: 'Delay statistics over two airports',
  purpose: 'The authority publishes monthly delay statistics; no operator shows its flights.',
  version: 1,
  parties: [
    {
      '//': 'An owner. identity: what `strongroom identity new --json` printed for this party.',
      id: 'north',
      name: 'North Airport',
      identity: 'north.public.json',
      keyRelease: {
        '//': 'releaseKey: the public key with which this service signs what it releases.',
        url: 'https://keys.north.example',
        releaseKey: { file: 'north.release-key.json' },
        stateShareKeyId: 'state-share',
      },
    },
    {
      id: 'south',
      name: 'South Airport',
      identity: 'south.public.json',
      keyRelease: {
        url: 'https://keys.south.example',
        releaseKey: { file: 'south.release-key.json' },
        stateShareKeyId: 'state-share',
      },
    },
    {
      '//': 'A reader: its identity was made with --reader.',
      id: 'authority',
      name: 'Aviation Authority',
      identity: 'authority.public.json',
    },
  ],
  datasets: [exampleDataset('north'), exampleDataset('south')],
  queries: [
    {
      id: 'daily-delay',
      '//': [
        'Every relation that the SQL names; the SQL counts the rows of each group.',
        'Other windows: {"kind": "hopping", "sizeMs", "advanceMs"}, {"kind": "session", "key",',
        '"gapMs", "maximumMs", "sizeMs"}, {"kind": "whole"}; docs/windows.md says what they hold.',
      ],
      sql: 'SELECT count(*) AS flights, avg(delay) AS mean_delay FROM flights',
      relations: ['flights'],
      window: { kind: 'tumbling', sizeMs: 86_400_000 },
      latenessMs: 0,
      readers: ['authority'],
      disclosure: { minimumGroupRows: 20, groupRowsColumn: 'flights' },
    },
  ],
  enclave: {
    '//': 'simulated proves nothing about hardware; `amd` is the real platform.',
    platform: 'simulated',
    measurements: { file: 'measurement.json' },
    minimumTcb: {},
    authorities: [
      {
        '//': "keys: the attestation service's GET /certs.",
        issuer: 'https://attestation.example',
        keys: { file: 'attestation-certs.json' },
      },
    ],
  },
};

function exampleDataset(owner: string): Record<string, unknown> {
  return {
    id: `flights-${owner}`,
    owner,
    relation: 'flights',
    columns: [
      { name: 'departed', type: 'timestamp-ms', nullable: false },
      { name: 'delay', type: 'int32', nullable: true },
    ],
    eventTime: 'departed',
    keyId: `flights-${owner}`,
    wrappingKey: { file: `${owner}.wrapping-key.json` },
  };
}
