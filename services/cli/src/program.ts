import { createProgram, runProgram } from '@strongroom/runtime/arguments';
import type { Command } from 'commander';
import { addAuditCommands } from './audit-commands.ts';
import { addCompletionCommand } from './completion.ts';
import { addContractCommands } from './contract-commands.ts';
import { addDoctorCommand } from './doctor/doctor-command.ts';
import { addErrorsCommands } from './errors-command.ts';
import { addEvidenceCommand } from './evidence-command.ts';
import { addIdentityCommands } from './identity-commands.ts';
import { addInitCommand } from './init/init-command.ts';
import { addKafkaCommands } from './kafka-commands.ts';
import { addKeyCommands } from './key-commands.ts';
import { nounCommand } from './leaf-command.ts';
import { addLeaseCommands } from './lease-commands.ts';
import { addLedgerCommands } from './ledger-commands.ts';
import { addMeasureCommand } from './measure-command.ts';
import { addOwnerCommands } from './owner/owner-commands.ts';
import { addPlatformCommands } from './platform-commands.ts';
import { addPolicyCommands } from './policy-commands.ts';
import { addQuarantineCommands } from './quarantine-commands.ts';
import { addRevokeCommand } from './revoke-command.ts';
import { addServiceCommands } from './service-commands.ts';
import { addServiceKeysCommands } from './service-keys-command.ts';
import { addStatusCommand } from './status-command.ts';
import { addUsesCommand } from './uses-command.ts';
import { addVersionCommand } from './version-command.ts';

/**
 * Runs one command line and sets the process's exit code: 0 done, 2 called wrongly, else the
 * error's own (65 bad data, 69 unavailable, 77 refused). Data goes to stdout, all else to stderr.
 */
export async function runCommand(args: readonly string[]): Promise<void> {
  await runProgram(strongroomProgram(), args);
}

/** The tree of commands, noun first. */
export function strongroomProgram(): Command {
  const program = createProgram('strongroom', 'Compute together over data that nobody shows')
    .enablePositionalOptions()
    .showSuggestionAfterError();
  addInitCommand(program);
  addIdentityCommands(program);
  addContractCommands(program);
  addKeyCommands(program);
  addPolicyCommands(program);
  addAuditCommands(program);
  addLedgerCommands(nounCommand(program, 'ledger', "privacy budgets of an owner's datasets"));
  addLeaseCommands(program);
  addRevokeCommand(program);
  addOwnerCommands(program);
  addPlatformCommands(program);
  addMeasureCommand(program);
  addKafkaCommands(program);
  addServiceCommands(program);
  addServiceKeysCommands(program);
  addEvidenceCommand(program);
  addStatusCommand(program);
  addDoctorCommand(program);
  addUsesCommand(program);
  addQuarantineCommands(program);
  addErrorsCommands(program);
  addCompletionCommand(program);
  addVersionCommand(program);
  return program;
}
