/** The beginning of a command of Kafka's own, which reads BOOTSTRAP and the file ADMIN_CONFIG. */
export function kafkaTool(name: 'kafka-acls.sh' | 'kafka-configs.sh' | 'kafka-topics.sh'): string {
  return `${name} --bootstrap-server "$BOOTSTRAP" --command-config "$ADMIN_CONFIG"`;
}
