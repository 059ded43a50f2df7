import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Policies that Microsoft publishes for Azure Attestation (policy-examples, policy-version-1-0 to
 * 1-2, claim-rule-functions, claim-rule-grammar, author-sign-policy and
 * tpm-attestation-sample-policies of its documentation), with claims and the right outcome. Those
 * with long queries lie in the folder of this name, since a query is one line.
 */
export type Value = string | number | boolean;

export interface PublishedPolicy {
  readonly name: string;
  readonly text: string;
  /** Claims of the service by type. */
  readonly claims: Readonly<Record<string, Value>>;
  /** What is issued by type, `denied`, or where the text is broken. */
  readonly outcome: Readonly<Record<string, Value>> | 'denied' | { readonly broken: string };
}

function textOf(name: string): string {
  const folder = join(import.meta.dirname, 'attestation-policies');
  return readFileSync(join(folder, `${name}.txt`), 'utf8');
}

const broken = (place: string) => ({ broken: place });

const SGX_CLAIMS = {
  'x-ms-sgx-is-debuggable': false,
  'x-ms-sgx-product-id': 1,
  'x-ms-sgx-svn': 0,
  'x-ms-sgx-mrsigner': 'ab',
  'x-ms-sgx-mrenclave': 'cd',
  'x-ms-attestation-type': 'sgx',
};

const SGX_CUSTOM = `version= 1.0;
authorizationrules
{
       [ type=="x-ms-sgx-is-debuggable", value==false ]
        && [ type=="x-ms-sgx-product-id", value==1 ]
        && [ type=="x-ms-sgx-svn", value>= 0 ]
        && [ type=="x-ms-sgx-mrsigner", value=="ab"]
    => permit();
};
issuancerules {
c:[type=="x-ms-sgx-mrsigner"] => issue(type="my-signer", value=c.value);
};`;

const SGX_DEFAULT = `version= 1.1;
configurationrules{
	=> issueproperty(type="x-ms-sgx-tcbidentifier", value="azuredefault");
};
authorizationrules{
	=> permit();
};
issuancerules{
	c:[type=="x-ms-sgx-is-debuggable"] => issue(type="is-debuggable", value=c.value);
	c:[type=="x-ms-sgx-mrsigner"] => issue(type="sgx-mrsigner", value=c.value);
	c:[type=="x-ms-sgx-mrenclave"] => issue(type="sgx-mrenclave", value=c.value);
	c:[type=="x-ms-sgx-product-id"] => issue(type="product-id", value=c.value);
	c:[type=="x-ms-sgx-svn"] => issue(type="svn", value=c.value);
	c:[type=="x-ms-attestation-type"] => issue(type="tee", value=c.value);
};`;

const BOOT_CLAIMS = {
  aikValidated: true,
  secureBootEnabled: true,
  bootDebuggingDisabled: true,
  vbsEnabled: true,
  notWinPE: true,
  notSafeMode: true,
};

const TPM_10 = `version=1.0;

authorizationrules { 
    => permit();
};

issuancerules
{
[type=="aikValidated", value==true]&& 
[type=="secureBootEnabled", value==true] &&
[type=="bootDebuggingDisabled", value==true] && 
[type=="vbsEnabled", value==true] && 
[type=="notWinPE", value==true] && 
[type=="notSafeMode", value==true] => issue(type="PlatformAttested", value=true);
};`;

const TPM_11 = `version=1.1;

configurationrules{
=> issueproperty(type = "required_pcr_mask", value = 15);
=> issueproperty(type = "require_valid_aik_cert", value = false);
};

authorizationrules { 
    => permit();
};

issuancerules
{
[type=="aikValidated", value==true]&& 
[type=="secureBootEnabled", value==true] &&
[type=="bootDebuggingDisabled", value==true] && 
[type=="notSafeMode", value==true] => issue(type="PlatformAttested", value=true);

[type=="aikValidated", value==false]&& 
[type=="secureBootEnabled", value==true] &&
[type=="bootDebuggingDisabled", value==true] && 
[type=="notSafeMode", value==true] => issue(type="PlatformAttested", value=false);
};`;

const SECURE_BOOT = textOf('secure-boot');

const secureBootEvent = (data: string) => ({
  EventTypeString: 'EV_EFI_VARIABLE_DRIVER_CONFIG',
  PcrIndex: 7,
  ProcessedData: {
    VariableGuid: '8BE4DF61-93CA-11D2-AA0D-00E098032B8C',
    UnicodeName: 'SecureBoot',
    VariableData: data,
  },
});
const boundary = (PcrIndex: number, EVENT_TRUSTBOUNDARY: object, EventSeq = 1) => ({
  EventTypeString: 'EV_EVENT_TAG',
  PcrIndex,
  EventSeq,
  ProcessedData: { EVENT_TRUSTBOUNDARY },
});
const events = (...list: readonly object[]) => ({ events: JSON.stringify({ Events: list }) });

const CODE_INTEGRITY = textOf('code-integrity');

const BITLOCKER = textOf('bitlocker');

const ELAM = textOf('elam');

const BOOT_MANAGER = textOf('boot-manager');

const DRTM = textOf('system-guard');

const drtm = (valid: boolean) =>
  events(
    {
      EventTypeString: 'EV_EVENT_TAG',
      PcrIndex: 20,
      EventSeq: 4,
      ProcessedData: { EVENT_DRTM_SMM: { Value: 30 } },
    },
    boundary(20, { EVENT_DRTM_STATE_AUTH: { SignatureValid: valid } }, 9),
  );

const PCR_HASHES = textOf('pcr-hashes');

const pcrs = (first: string) => ({
  pcrs: JSON.stringify({
    PCRs: [
      { Index: 0, Digests: { SHA256: first } },
      {
        Index: 1,
        Digests: { SHA256: '8c25e3be6ad6f5bd33c9ae40d5d5461e88c1a7366df0c9ee5c7e5ff40d3d1d0e' },
      },
    ],
  }),
});

const VBS = `version=1.2;

authorizationrules { 
    [type=="vsmReportPresent", value==true] &&
    [type=="enclaveAuthorId", value=="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] &&
    [type=="enclaveImageId", value=="AQEAAAAAAAAAAAAAAAAAAA"] &&
    [type=="enclaveSvn", value>=0] =>  permit();
};

issuancerules
{
};`;

const VBS_CLAIMS = {
  vsmReportPresent: true,
  enclaveAuthorId: 'A'.repeat(43),
  enclaveImageId: 'AQEAAAAAAAAAAAAAAAAAAA',
  enclaveSvn: 0,
};

/** From "How to author an attestation policy": both of its rules end without a semicolon. */
const AUTHORING_SAMPLE = `version=1.0;
authorizationrules
{
    c:[type="secureBootEnabled", issuer=="AttestationService"]=> permit()
};

issuancerules
{
    c:[type="secureBootEnabled", issuer=="AttestationService"]=> issue(claim=c)
    c:[type="notSafeMode", issuer=="AttestationService"]=> issue(claim=c)
};`;

const AUTHORED = `version=1.0;
authorizationrules
{
[type=="secureBootEnabled", value==true, issuer=="AttestationService"]=>permit();
};

issuancerules
{
=> issue(type="SecurityLevelValue", value=100);
};`;

const HASH = '4c833b1c361fceffd8dc0f81eec76081b71e1a0eb2193caed0b6e1c7735ec33e';
const ELAM_FILE = '\\Windows\\System32\\drivers\\WD\\WdBoot.sys';
const elam = (path: string) =>
  events(
    boundary(12, {
      EVENT_LOADEDMODULE_AGGREGATION: [{ EVENT_IMAGEVALIDATED: true, EVENT_FILEPATH: path }],
    }),
  );

export const PUBLISHED: readonly PublishedPolicy[] = [
  { name: 'SGX, custom', text: SGX_CUSTOM, claims: SGX_CLAIMS, outcome: { 'my-signer': 'ab' } },
  {
    name: 'SGX, custom, a debuggable enclave',
    text: SGX_CUSTOM,
    claims: { ...SGX_CLAIMS, 'x-ms-sgx-is-debuggable': true },
    outcome: 'denied',
  },
  {
    name: 'SGX, custom, with its place holders',
    text: SGX_CUSTOM.replace('value==1 ', 'value==<product-id> '),
    claims: SGX_CLAIMS,
    outcome: broken('5:58'),
  },
  {
    name: 'SGX, default',
    text: SGX_DEFAULT,
    claims: SGX_CLAIMS,
    outcome: {
      'is-debuggable': false,
      'sgx-mrsigner': 'ab',
      'sgx-mrenclave': 'cd',
      'product-id': 1,
      svn: 0,
      tee: 'sgx',
    },
  },
  {
    name: 'SGX, default of 2020, with its curly quotes',
    text: 'Version= 1.0;\nauthorizationrules\n{\n\tc:[type==”$is-debuggable”] => permit();\n};',
    claims: {},
    outcome: broken('4:11'),
  },
  { name: 'TPM 1.0', text: TPM_10, claims: BOOT_CLAIMS, outcome: { PlatformAttested: true } },
  {
    name: 'TPM 1.0 in safe mode',
    text: TPM_10,
    claims: { ...BOOT_CLAIMS, notSafeMode: false },
    outcome: {},
  },
  { name: 'TPM 1.1', text: TPM_11, claims: BOOT_CLAIMS, outcome: { PlatformAttested: true } },
  {
    name: 'TPM 1.1 without a valid AIK',
    text: TPM_11,
    claims: { ...BOOT_CLAIMS, aikValidated: false },
    outcome: { PlatformAttested: false },
  },
  { name: 'authoring, as published', text: AUTHORING_SAMPLE, claims: {}, outcome: broken('5:1') },
  {
    name: 'authoring, first steps',
    text: 'version=1.0;\nauthorizationrules\n{\n=>deny();\n};\n\nissuancerules\n{\n};',
    claims: {},
    outcome: 'denied',
  },
  {
    name: 'authoring, last step',
    text: AUTHORED,
    claims: BOOT_CLAIMS,
    outcome: { SecurityLevelValue: 100 },
  },
  {
    name: 'authoring, last step without secure boot',
    text: AUTHORED,
    claims: { secureBootEnabled: false },
    outcome: 'denied',
  },
  {
    name: 'secure boot',
    text: SECURE_BOOT,
    claims: events(secureBootEvent('AQ')),
    outcome: { secureBootEnabled: true },
  },
  {
    name: 'secure boot, off',
    text: SECURE_BOOT,
    claims: events(secureBootEvent('AA')),
    outcome: { secureBootEnabled: false },
  },
  {
    name: 'secure boot, no events',
    text: SECURE_BOOT,
    claims: {},
    outcome: { secureBootEnabled: false },
  },
  {
    name: 'code integrity',
    text: CODE_INTEGRITY,
    claims: events(boundary(12, { EVENT_CODEINTEGRITY: true }), boundary(13, {})),
    outcome: { codeIntegrityEnabled: true },
  },
  {
    name: 'code integrity, once off',
    text: CODE_INTEGRITY,
    claims: events(
      boundary(12, { EVENT_CODEINTEGRITY: true }),
      boundary(20, { EVENT_CODEINTEGRITY: false }),
    ),
    outcome: { codeIntegrityEnabled: false },
  },
  {
    name: 'BitLocker',
    text: BITLOCKER,
    claims: events(
      boundary(12, { EVENT_BITLOCKER_UNLOCK: { Value: 0 } }),
      boundary(19, { EVENT_BITLOCKER_UNLOCK: { Value: 2 } }),
    ),
    outcome: { bitlockerStatus: 2 },
  },
  { name: 'BitLocker, off', text: BITLOCKER, claims: events(), outcome: { bitlockerStatus: 0 } },
  { name: 'ELAM', text: ELAM, claims: elam(ELAM_FILE), outcome: { elamDriverLoaded: true } },
  { name: 'ELAM, no events', text: ELAM, claims: {}, outcome: { elamDriverLoaded: false } },
  {
    name: 'boot manager, before a separator',
    text: BOOT_MANAGER,
    claims: events(
      boundary(12, { EVENT_APPLICATION_SVN: 5 }, 3),
      { EventTypeString: 'EV_SEPARATOR', PcrIndex: 12, EventSeq: 4 },
      boundary(12, { EVENT_APPLICATION_SVN: 6 }, 5),
    ),
    outcome: { bootMgrSvn: 5 },
  },
  {
    name: 'boot manager, without a separator',
    text: BOOT_MANAGER,
    claims: events(boundary(12, { EVENT_APPLICATION_SVN: 7 }, 3)),
    outcome: { bootMgrSvn: 7 },
  },
  {
    name: 'System Guard',
    text: DRTM,
    claims: drtm(true),
    outcome: { drtmMleValid: true, smmLevel: 30 },
  },
  {
    name: 'System Guard, not signed',
    text: DRTM,
    claims: drtm(false),
    outcome: { drtmMleValid: false },
  },
  { name: 'PCR hashes', text: PCR_HASHES, claims: pcrs(HASH), outcome: {} },
  { name: 'PCR hashes, another', text: PCR_HASHES, claims: pcrs('00'), outcome: 'denied' },
  { name: 'VBS enclave', text: VBS, claims: VBS_CLAIMS, outcome: {} },
  {
    name: 'VBS enclave of another author',
    text: VBS,
    claims: { ...VBS_CLAIMS, enclaveAuthorId: 'B' },
    outcome: 'denied',
  },
  {
    name: 'PCR value with an escaped literal',
    text: textOf('pcr-value'),
    claims: { pcrs: JSON.stringify({ PCRs: [{ Index: 0, Digests: { SHA1: 'KCk6Ow' } }] }) },
    outcome: { pcrMatchesExpectedValue: true },
  },
  {
    name: 'grammar: the same name from client and service',
    text: `version=1.0;authorizationrules{=>permit();};issuancerules{
F1:[type=="OSName" , issuer=="CustomClaim"] && 
[type=="OSName" , issuer=="AttestationService", value== F1.value ] 
=> issueproperty(type="report_validity_in_minutes", value=440);
F1:[type=="OSName" , issuer=="CustomClaim"] && 
C2:[type=="OSName" , issuer=="AttestationService", value== F1.value ] 
=> issue(claim = C2);
};`,
    claims: { OSName: 'Linux' },
    outcome: {},
  },
];
