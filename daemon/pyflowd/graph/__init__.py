"""What a graph is: documents, their readers and writers, and the plan. No processes, no sockets."""
