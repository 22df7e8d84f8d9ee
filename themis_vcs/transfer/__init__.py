"""Moving objects and refs between stores."""
